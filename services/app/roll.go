package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/apiserver"
	"rollcall/services/canary"
	"rollcall/services/config"
	"rollcall/services/prober"
	"rollcall/services/registry"
	"rollcall/services/snapshot"
	"rollcall/services/supervisor"
	"rollcall/stages"
)

// roll is an API server without its HTTP side: heartbeats in, the registry, lifecycle events out.
type roll struct {
	cfg      config.Config
	log      *zap.Logger
	started  time.Time // with it this process's canaries are told from others
	registry *registry.Registry
	permit   stages.Permit

	router     *pipeline.Router
	subscriber *nsqpubsub.Subscriber
	publisher  *nsqpubsub.Publisher
	events     *pipeline.Source[events.Event]
	outlet     *pipeline.TopicPublisher // of the events
	hearing    *hearing

	canaries       *canary.Sender
	probes         *prober.Prober   // nil if registry.probe is off
	file           *snapshot.Writer // nil without registry.snapshot
	canaryProducer *nsqpubsub.Producer
}

// newRoll starts nothing. own are the listeners of this process, which nobody may register.
func newRoll(cfg config.Config, cluster nsqpubsub.Cluster, own []netip.AddrPort, metrics prometheus.Registerer, log *zap.Logger) (*roll, error) {
	r := &roll{cfg: cfg, log: log, started: time.Now()}
	var err error
	if r.permit, err = permitOf(cfg.Registry, own); err != nil {
		return nil, err
	}
	steps := []func() error{
		func() error { return r.connect(cluster) },
		r.newRegistry,
		func() error { return r.newPipeline(metrics) },
		func() error { return r.newCanaries(cluster, metrics) },
		func() error { return r.newProber(metrics) },
		func() error { return r.newFile(metrics) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *roll) newRegistry() (err error) {
	c := r.cfg.Registry
	r.registry, err = registry.New(registry.Config{
		Observer:       r.cfg.ID,
		Started:        r.started,
		Interval:       c.Interval,
		TTL:            c.TTL,
		Tick:           c.Tick,
		MaxServers:     c.MaxServers,
		Probing:        c.Probe != config.Off,
		Restore:        r.restored(),
		BlindCause:     r.hearing.why,
		CanaryInterval: canary.DefaultInterval,
		Reached:        r.subscriber.Reached,
	})
	return err
}

// restored is the roll of the process before. A file that cannot be used costs no more than the roll: heartbeats bring
// it back.
func (r *roll) restored() *registry.Snapshot {
	path := r.cfg.Registry.Snapshot
	if path == "" {
		return nil
	}
	saved, err := snapshot.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.log.Info("there is no snapshot of the roll yet", zap.String("path", path))
		return nil
	case err != nil:
		r.log.Warn("the snapshot of the roll is not used: the roll starts empty", zap.String("path", path), zap.Error(err))
		return nil
	}
	r.log.Info("the roll is restored: its servers are asked", zap.String("path", path), zap.Int("servers", len(saved.Servers)),
		zap.Time("saved_at", saved.SavedAt))
	return saved
}

// connect makes the ends of the pipeline at NSQ. Nothing connects yet.
func (r *roll) connect(cluster nsqpubsub.Cluster) error {
	logger, channel := pipeline.NewLogger(r.log), nsqpubsub.EphemeralChannel(r.cfg.ID)
	var err error
	if r.subscriber, err = nsqpubsub.NewSubscriber(nsqpubsub.SubscriberConfig{
		ConsumerConfig: nsqpubsub.ConsumerConfig{
			Cluster:    cluster,
			Channel:    channel,
			Initialize: true,
			Batch:      64,
			Logger:     logger,
		},
	}); err != nil {
		return err
	}
	r.hearing = &hearing{cluster: cluster, topic: r.cfg.NSQ.Topic, channel: channel, subscriber: r.subscriber}
	r.publisher, err = nsqpubsub.NewPublisher(nsqpubsub.PublisherConfig{
		ProducerConfig: nsqpubsub.ProducerConfig{Cluster: cluster, Ordered: true}, // its failures are logged by the outlets
	})
	return err
}

func (r *roll) newPipeline(metrics prometheus.Registerer) error {
	skew := pipeline.NewClockSkew(r.started)
	counters, err := pipeline.NewMetrics(metrics)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	quarantine := pipeline.NewQuarantine(counters, r.log)
	if r.router, err = pipeline.NewRouter(counters, quarantine, skew, r.log); err != nil {
		return err
	}
	r.events = pipeline.NewSource(r.registry.Events(), events.Encode, r.log)
	rejected := pipeline.NewSource(quarantine.Copies(), pipeline.EncodeRejected, r.log)

	topic := r.cfg.NSQ.Topic
	r.router.Consume("heartbeats", topic, r.subscriber, stages.Heartbeats(r.registry,
		stages.Decode{Unknown: pipeline.NewUnknownFields(counters, r.log)},
		stages.Canary{ID: r.cfg.ID, Started: r.started, Skew: returns{skew, r}},
		validateStage(r.cfg.Registry, r.permit)))
	r.router.Consume("ticks", "", pipeline.NewTicker(r.cfg.Registry.Tick), stages.Ticks(r.registry, r.nsqd))
	r.events.ID = func(e events.Event) string { return e.Details().ID }
	r.outlet = r.router.Produce("events", r.events, r.cfg.NSQ.Events, r.publisher)
	r.router.Produce("rejected", rejected, topic+events.InvalidSuffix, r.publisher)
	return nil
}

// newCanaries makes the canaries. They have connections of their own: behind a backlog of events they would be late, and
// show nothing but that.
func (r *roll) newCanaries(cluster nsqpubsub.Cluster, metrics prometheus.Registerer) (err error) {
	if r.canaryProducer, err = nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: cluster}); err != nil {
		return err
	}
	r.canaries, err = canary.New(canary.Config{
		ID:        r.cfg.ID,
		Started:   r.started,
		Topic:     r.cfg.NSQ.Topic,
		Publisher: r.canaryProducer,
		Nodes:     r.subscriber.Nodes,
		Reconnect: r.subscriber.Reconnect,
		Interval:  canary.DefaultInterval,
		Metrics:   metrics,
		Log:       r.log,
	})
	return err
}

func (r *roll) newProber(metrics prometheus.Registerer) (err error) {
	if r.cfg.Registry.Probe == config.Off {
		return nil
	}
	r.probes, err = prober.New(prober.Config{
		Registry: r.registry,
		Mode:     prober.Mode(r.cfg.Registry.Probe),
		Permit:   r.permit.Check,
		Metrics:  metrics,
	})
	return err
}

func (r *roll) newFile(metrics prometheus.Registerer) (err error) {
	if r.cfg.Registry.Snapshot == "" {
		return nil
	}
	r.file, err = snapshot.New(snapshot.Config{Path: r.cfg.Registry.Snapshot, Registry: r.registry, Log: r.log, Metrics: metrics})
	return err
}

func validateStage(c config.Registry, p stages.Permit) stages.Validate {
	return stages.Validate{Permit: p, Interval: c.Interval, TTL: c.TTL}
}

func permitOf(c config.Registry, own []netip.AddrPort) (stages.Permit, error) {
	allow, err := c.Allowed()
	return stages.Permit{Own: own, Allow: allow}, err
}

// start puts the parts on the stack, so that they stop in this order: canaries, subscribers and router, prober, a last
// snapshot, registry, a last publishing of the events that are left, producers.
func (r *roll) start(s *supervisor.Stack) {
	s.AtStop("producer", r.publisher.Close)
	s.AtStop("outbox", r.flush)
	s.Start("registry", r.registry.Run)
	s.Start("hearing", func(ctx context.Context) error { return r.hearing.run(ctx, r.registry) })
	s.Start("log of modes", func(ctx context.Context) error { return logModes(ctx, r.registry, r.log) })
	s.Start("log of ignored heartbeats", func(ctx context.Context) error { return logIgnored(ctx, r.registry, r.log) })
	s.Start("log of conflicts", func(ctx context.Context) error { return logConflicts(ctx, r.registry, r.log) })
	if r.file != nil {
		s.Start("snapshot", r.file.Run)
	}
	if r.probes != nil {
		s.Start("prober", r.probes.Run)
	}
	s.Start("pipeline", r.router.Run)
	s.AtStop("canary producer", r.canaryProducer.Close)
	s.Start("canaries", r.canaries.Run)
}

// eventsState is how the lifecycle events are published.
func (r *roll) eventsState() apiserver.EventsState {
	since, err := r.outlet.Failing()
	return apiserver.EventsState{Unpublishable: r.outlet.Unpublishable(), FailingSince: since, Err: err}
}

// nsqd are the addresses of those that there are, as receipts name them.
func (r *roll) nsqd() []string {
	addrs := []string{} // not nil: that would say that nobody cares
	for _, n := range r.subscriber.Nodes() {
		addrs = append(addrs, n.Address)
	}
	return addrs
}

// waiting counts the nsqd that are known and not tried now.
func (r *roll) waiting() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_nsqd_waiting",
		Help: "Known nsqd that wait for their turn to be tried, because too many others were never reached.",
	}, func() float64 { return float64(r.subscriber.Waiting()) })
}

// returns tells of each canary that comes back those who learn from it.
type returns struct {
	skew *pipeline.ClockSkew
	roll *roll
}

func (l returns) Learn(receipt events.Receipt, sent time.Time) {
	l.skew.Learn(receipt, sent)
	l.roll.canaries.Returned(receipt.Via, sent)
}
