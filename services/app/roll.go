package app

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/registry"
	"rollcall/stages"
)

// flushTimeout bounds the last publishing of events at the stop.
const flushTimeout = 2 * time.Second

// roll is an API server without its HTTP side: heartbeats in, the registry, lifecycle events out.
type roll struct {
	cfg      Config
	log      *zap.Logger
	registry *registry.Registry

	router     *pipeline.Router
	subscriber *nsqpubsub.Subscriber
	publisher  *nsqpubsub.Publisher
	events     *pipeline.Source[events.Event]
}

// newRoll starts nothing. own are the listeners of this process, which nobody may register.
func newRoll(cfg Config, cluster nsqpubsub.Cluster, own []netip.AddrPort, metrics prometheus.Registerer, log *zap.Logger) (*roll, error) {
	r := &roll{cfg: cfg, log: log}
	var err error
	if r.registry, err = registry.New(registry.Config{
		Observer:   cfg.ID,
		Warmup:     cfg.Registry.Interval, // by then every server has been heard that beats as most do
		Tick:       cfg.Registry.Tick,
		MaxServers: cfg.Registry.MaxServers,
	}); err != nil {
		return nil, err
	}
	if err := r.connect(cluster); err != nil {
		return nil, err
	}
	policy, err := cfg.Registry.policy(own)
	if err != nil {
		return nil, err
	}
	counters, err := pipeline.NewMetrics(metrics)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	quarantine := pipeline.NewQuarantine(counters, log)
	if r.router, err = pipeline.NewRouter(counters, quarantine, log); err != nil {
		return nil, err
	}
	r.events = pipeline.NewSource(r.registry.Events(), events.Encode, log)
	rejected := pipeline.NewSource(quarantine.Copies(), pipeline.EncodeRejected, log)

	r.router.Consume("heartbeats", cfg.NSQ.Topic, r.subscriber, stages.Heartbeats(policy, r.registry))
	r.router.Consume("ticks", "", pipeline.NewTicker(cfg.Registry.Tick), stages.Ticks(r.hearing, r.registry))
	r.router.Produce("events", r.events, cfg.NSQ.Events, r.publisher)
	r.router.Produce("rejected", rejected, cfg.NSQ.Topic+events.InvalidSuffix, r.publisher)
	return r, nil
}

// connect makes the ends of the pipeline at NSQ. Nothing connects yet.
func (r *roll) connect(cluster nsqpubsub.Cluster) error {
	logger := pipeline.NewLogger(r.log)
	var err error
	if r.subscriber, err = nsqpubsub.NewSubscriber(nsqpubsub.SubscriberConfig{
		ConsumerConfig: nsqpubsub.ConsumerConfig{
			Cluster:    cluster,
			Channel:    r.cfg.ID + "#ephemeral", // of this process alone: a shared channel would split the heartbeats
			Initialize: true,
			Batch:      64,
			Logger:     logger,
		},
	}); err != nil {
		return err
	}
	r.publisher, err = nsqpubsub.NewPublisher(nsqpubsub.PublisherConfig{
		ProducerConfig: nsqpubsub.ProducerConfig{Cluster: cluster, Ordered: true, Logger: logger},
	})
	return err
}

func (c Registry) policy(own []netip.AddrPort) (stages.Config, error) {
	policy := stages.Config{Interval: c.Interval, TTL: c.TTL, Own: own}
	for _, cidr := range c.Allow {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return stages.Config{}, fmt.Errorf("registry.allow: %w", err)
		}
		policy.Allow = append(policy.Allow, p)
	}
	return policy, nil
}

// start puts the parts on the stack, so that they stop in this order: subscribers and router, registry, a last
// publishing of the events that are left, producer.
func (r *roll) start(s *stack) {
	s.atStop("producer", r.publisher.Close)
	s.atStop("outbox", r.flush)
	s.start("registry", r.registry.Run)
	s.start("pipeline", r.router.Run)
}

// hearing reports whether any nsqd is connected.
func (r *roll) hearing() bool {
	return slices.ContainsFunc(r.subscriber.Nodes(), func(n nsqpubsub.ConsumerNode) bool { return n.Connected })
}

// flush publishes what the router did not get to. What no broker takes in time is lost, and said so.
func (r *roll) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	left := append(r.events.Unacked(), r.registry.Unsent()...)
	for i, e := range left {
		body, err := events.Encode(e)
		if err != nil {
			return err
		}
		if err := r.publisher.Publish(r.cfg.NSQ.Events, message.NewMessageWithContext(ctx, e.Details().ID, body)); err != nil {
			return fmt.Errorf("%d events are lost, not published within %v: %w", len(left)-i, flushTimeout, err)
		}
	}
	return nil
}
