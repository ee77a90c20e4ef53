package app

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/pipeline/metric"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/apiserver"
	"rollcall/services/canary"
	"rollcall/services/config"
	"rollcall/services/connlimit"
	"rollcall/services/dial"
	"rollcall/services/prober"
	"rollcall/services/proxy"
	"rollcall/services/registry"
	"rollcall/services/registrylog"
	"rollcall/services/silence"
	"rollcall/services/snapshot"
	"rollcall/services/supervisor"
	"rollcall/services/version"
	"rollcall/stages"
)

// batch is the maximum number of messages of one nsqd that the pipeline handles in one call: about as many as nsqd sends at once. They
// are finished by one write. With 64, nsqd costs a seventh more CPU, because it reads four times as often.
const batch = 256

// wire opens the listeners and creates all parts of an API server. It starts none of them.
func (a *APIServer) wire(cfg config.Config, log *zap.Logger) (err error) {
	started := time.Now() // the canaries of this process state this time
	a.metrics = prometheus.NewRegistry()

	// First open the listeners: the permit denies their addresses, so that the API server never sends a request to itself.
	api, err := listen("api", cfg.API.Listen, cfg.API.Connections, log)
	if err != nil {
		return err
	}
	a.api = api
	limited := map[string]*connlimit.Listener{"api": api}
	if cfg.Proxy.Listen != config.Off {
		front, err := listen("proxy", cfg.Proxy.Listen, cfg.Proxy.Connections, log)
		if err != nil {
			return err
		}
		a.front, limited["proxy"] = front, front
	}
	if a.permit, err = permitOf(cfg.Registry, a.api, a.front); err != nil {
		return err
	}

	// Canaries have their own connections to NSQ, because behind a backlog of events they would measure the backlog.
	if a.cluster, err = cfg.NSQ.Cluster(); err != nil {
		return err
	}
	channel, invalid := nsqpubsub.EphemeralChannel(cfg.ID), cfg.NSQ.Topic+events.InvalidSuffix
	if a.subscriber, err = nsqpubsub.NewSubscriber(nsqpubsub.SubscriberConfig{ConsumerConfig: nsqpubsub.ConsumerConfig{
		Cluster: a.cluster, Channel: channel, Initialize: true, Batch: batch, Logger: pipeline.NewLogger(log),
		CreateTopics: []string{cfg.NSQ.Events, invalid},
	}}); err != nil {
		return err
	}
	if a.publisher, err = nsqpubsub.NewPublisher(nsqpubsub.PublisherConfig{
		ProducerConfig: nsqpubsub.ProducerConfig{Cluster: a.cluster, Ordered: true}, // without a logger, because pipeline.TopicPublisher logs the errors
	}); err != nil {
		return err
	}
	if a.canaryProducer, err = nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: a.cluster}); err != nil {
		return err
	}
	a.reporter = silence.NewReporter(a.cluster, cfg.NSQ.Topic, channel, a.subscriber)

	// The registry starts with the servers in the snapshot of the previous process.
	if cfg.Registry.Snapshot != "" {
		if a.unclaim, err = snapshot.Claim(cfg.Registry.Snapshot); err != nil {
			return err
		}
	}
	if a.registry, err = registry.New(registry.Config{
		Observer:       cfg.ID,
		Started:        started,
		Interval:       cfg.Registry.Interval,
		TTL:            cfg.Registry.TTL,
		Tick:           cfg.Registry.Tick,
		MaxServers:     cfg.Registry.MaxServers,
		Probing:        cfg.Registry.Probe != config.Off,
		Restore:        restored(cfg.Registry.Snapshot, log),
		BlindCause:     a.reporter.Reason,
		CanaryInterval: canary.DefaultInterval,
		Reached:        a.subscriber.Reached,
	}); err != nil {
		return err
	}
	if a.canaries, err = canary.New(canary.Config{
		ID:        cfg.ID,
		Started:   started,
		Topic:     cfg.NSQ.Topic,
		Publisher: a.canaryProducer,
		Nodes:     a.subscriber.Nodes,
		Reconnect: a.subscriber.Reconnect,
		Metrics:   a.metrics,
		Log:       log,
	}); err != nil {
		return err
	}
	if cfg.Registry.Probe != config.Off {
		if a.prober, err = prober.New(prober.Config{
			Registry: a.registry, Mode: prober.Mode(cfg.Registry.Probe), Permit: a.permit.Check, Metrics: a.metrics,
		}); err != nil {
			return err
		}
	}
	if cfg.Registry.Snapshot != "" {
		if a.snapshots, err = snapshot.New(snapshot.Config{Path: cfg.Registry.Snapshot, Registry: a.registry, Log: log, Metrics: a.metrics}); err != nil {
			return err
		}
	}

	// The pipeline passes heartbeats and ticks to the registry, and events and rejected messages to NSQ.
	counters, err := pipeline.NewMetrics(a.metrics)
	if err != nil {
		return err
	}
	skew := pipeline.NewClockSkew(started)
	quarantine := pipeline.NewQuarantine(counters, log)
	if a.router, err = pipeline.NewRouter(counters, quarantine, skew, log); err != nil {
		return err
	}
	a.router.Consume("heartbeats", cfg.NSQ.Topic, a.subscriber, stages.Heartbeats(a.registry,
		stages.Decode{Unknown: pipeline.NewUnknownFields(counters, log)},
		stages.Canary{ID: cfg.ID, Started: started, Skew: returnedCanaries{skew, a.canaries}},
		validateStage(cfg.Registry, a.permit)))
	a.router.Consume("ticks", "", pipeline.NewTicker(cfg.Registry.Tick), stages.Ticks(a.registry, func() []string { return addresses(a.subscriber) }))
	a.events = pipeline.NewSource(a.registry.Events(), events.Encode, log)
	a.events.ID = func(e events.Event) string { return e.Details().ID }
	a.eventPublisher = a.router.Produce("events", a.events, cfg.NSQ.Events, a.publisher)
	a.router.Produce("rejected", pipeline.NewSource(quarantine.Copies(), pipeline.EncodeRejected, log), invalid, a.publisher)

	// A proxy is created even if it does not listen, because it picks servers for the API.
	proxyConfig, err := cfg.Proxy.ProxyConfig()
	if err != nil {
		return err
	}
	proxyConfig.Registry = a.registry
	proxyConfig.Dial = dial.New(a.permit.Check, proxy.KeepAlive)
	proxyConfig.Metrics = a.metrics
	proxyConfig.Log = log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, 10, 100) // without sampling, failing servers would cause one line per request
	}))
	if a.proxy, err = proxy.New(proxyConfig); err != nil {
		return err
	}
	if a.server, err = apiserver.New(apiserver.Config{
		Registry: a.registry,
		ID:       cfg.ID,
		Version:  version.String(),
		Nodes:    func() []apiserver.Node { return nodes(a.subscriber, a.canaries) },
		Events:   func() apiserver.EventsState { return eventsState(a.eventPublisher) },
		Ready: func() error { // an API server is ready even while the brokers are silent, because it keeps its registry
			if a.stopping.Load() {
				return errors.New("stopping")
			}
			return nil
		},
		Gatherer:     a.metrics,
		Log:          log,
		Pick:         pick(a.proxy),
		ServiceLabel: a.proxy.ServiceLabel, // the metrics of the API have the same labels as the metrics of the proxy
	}); err != nil {
		return err
	}
	return metric.Register(a.metrics, "app",
		connlimit.Collector(limited), a.server, waiting(a.subscriber),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// start starts the parts from top to bottom. They stop from bottom to top: each part stops after the part below it has stopped.
func (a *APIServer) start(s *supervisor.Stack) {
	if a.unclaim != nil {
		s.AtStop("snapshot file", a.unclaim)
	}
	s.AtStop("producer", a.publisher.Close)
	s.AtStop("outbox", func() error { return flush(a.eventPublisher, a.events, a.registry) })
	s.Start("registry", a.registry.Run)
	s.Start("silence", func(ctx context.Context) error { return a.reporter.Run(ctx, a.registry) })
	s.Start("registry log", func(ctx context.Context) error { return registrylog.Run(ctx, a.registry, a.log) })
	if a.snapshots != nil {
		s.Start("snapshot", a.snapshots.Run)
	}
	if a.prober != nil {
		s.Start("prober", a.prober.Run)
	}
	s.Start("pipeline", a.router.Run)
	s.AtStop("canary producer", a.canaryProducer.Close)
	s.Start("canaries", a.canaries.Run)
	s.Start("balancing", a.proxy.Run)
	s.Start("api", func(ctx context.Context) error { return a.server.Run(ctx, a.api) })
	if a.front != nil {
		s.Start("proxy", func(ctx context.Context) error { return a.proxy.Serve(ctx, a.front) })
	}
	s.AtStop("readiness", func() error { a.stopping.Store(true); return nil })
}
