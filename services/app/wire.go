package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"rollcall/events"
	"rollcall/pipeline"
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

// batch is how many messages of one nsqd the pipeline handles in one call.
const batch = 64

// wire opens the listeners and creates all parts of an API server. It starts none of them: a.start does, and its order is also, in
// reverse, the order in which they stop.
func (a *APIServer) wire(cfg config.Config, log *zap.Logger) (err error) {
	started := time.Now() // identifies the canaries of this process
	metrics := prometheus.NewRegistry()
	a.metrics = metrics

	// Listeners.
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
	permit, err := permitOf(cfg.Registry, a.api, a.front)
	if err != nil {
		return err
	}

	// NSQ. Canaries have connections of their own: behind a backlog of events they would be late, and measure only that.
	if a.cluster, err = cfg.NSQ.Cluster(); err != nil {
		return err
	}
	channel := nsqpubsub.EphemeralChannel(cfg.ID)
	subscriber, err := nsqpubsub.NewSubscriber(nsqpubsub.SubscriberConfig{ConsumerConfig: nsqpubsub.ConsumerConfig{
		Cluster: a.cluster, Channel: channel, Initialize: true, Batch: batch, Logger: pipeline.NewLogger(log),
	}})
	if err != nil {
		return err
	}
	publisher, err := nsqpubsub.NewPublisher(nsqpubsub.PublisherConfig{
		ProducerConfig: nsqpubsub.ProducerConfig{Cluster: a.cluster, Ordered: true}, // its users log its errors
	})
	if err != nil {
		return err
	}
	canaryProducer, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: a.cluster})
	if err != nil {
		return err
	}
	reporter := silence.NewReporter(a.cluster, cfg.NSQ.Topic, channel, subscriber)

	// Registry, with the servers of the previous process.
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
		BlindCause:     reporter.Reason,
		CanaryInterval: canary.DefaultInterval,
		Reached:        subscriber.Reached,
	}); err != nil {
		return err
	}
	canaries, err := canary.New(canary.Config{
		ID:        cfg.ID,
		Started:   started,
		Topic:     cfg.NSQ.Topic,
		Publisher: canaryProducer,
		Nodes:     subscriber.Nodes,
		Reconnect: subscriber.Reconnect,
		Metrics:   metrics,
		Log:       log,
	})
	if err != nil {
		return err
	}
	var probes *prober.Prober
	if cfg.Registry.Probe != config.Off {
		if probes, err = prober.New(prober.Config{
			Registry: a.registry, Mode: prober.Mode(cfg.Registry.Probe), Permit: permit.Check, Metrics: metrics,
		}); err != nil {
			return err
		}
	}
	var snapshots *snapshot.Writer
	if cfg.Registry.Snapshot != "" {
		if snapshots, err = snapshot.New(snapshot.Config{Path: cfg.Registry.Snapshot, Registry: a.registry, Log: log, Metrics: metrics}); err != nil {
			return err
		}
	}

	// Pipeline: heartbeats and ticks to the registry, its events and rejected messages to NSQ.
	counters, err := pipeline.NewMetrics(metrics)
	if err != nil {
		return err
	}
	skew := pipeline.NewClockSkew(started)
	quarantine := pipeline.NewQuarantine(counters, log)
	router, err := pipeline.NewRouter(counters, quarantine, skew, log)
	if err != nil {
		return err
	}
	router.Consume("heartbeats", cfg.NSQ.Topic, subscriber, stages.Heartbeats(a.registry,
		stages.Decode{Unknown: pipeline.NewUnknownFields(counters, log)},
		stages.Canary{ID: cfg.ID, Started: started, Skew: returnedCanaries{skew, canaries}},
		validateStage(cfg.Registry, permit)))
	router.Consume("ticks", "", pipeline.NewTicker(cfg.Registry.Tick), stages.Ticks(a.registry, func() []string { return addresses(subscriber) }))
	lifecycle := pipeline.NewSource(a.registry.Events(), events.Encode, log)
	lifecycle.ID = func(e events.Event) string { return e.Details().ID }
	eventPublisher := router.Produce("events", lifecycle, cfg.NSQ.Events, publisher)
	router.Produce("rejected", pipeline.NewSource(quarantine.Copies(), pipeline.EncodeRejected, log), cfg.NSQ.Topic+events.InvalidSuffix, publisher)

	// Proxy and API. Without a listener the proxy still chooses servers for the API.
	proxyConfig, err := cfg.Proxy.ProxyConfig()
	if err != nil {
		return err
	}
	proxyConfig.Registry = a.registry
	proxyConfig.Dial = dial.New(permit.Check, proxy.KeepAlive)
	proxyConfig.Metrics = metrics
	proxyConfig.Log = log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, 10, 100) // else one line per request while servers fail
	}))
	balancing, err := proxy.New(proxyConfig)
	if err != nil {
		return err
	}
	var stopping atomic.Bool
	server, err := apiserver.New(apiserver.Config{
		Registry: a.registry,
		ID:       cfg.ID,
		Version:  version.String(),
		Nodes:    func() []apiserver.Node { return nodes(subscriber, canaries) },
		Events:   func() apiserver.EventsState { return eventsState(eventPublisher) },
		Ready: func() error { // silent brokers are no reason: the registry is kept
			if stopping.Load() {
				return errors.New("stopping")
			}
			return nil
		},
		Gatherer:     metrics,
		Log:          log,
		Pick:         pick(balancing),
		ServiceLabel: balancing.ServiceLabel, // so that the metrics of both agree
	})
	if err != nil {
		return err
	}
	for _, c := range []prometheus.Collector{
		connlimit.Collector(limited), server, waiting(subscriber),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := metrics.Register(c); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}

	// The parts start from top to bottom and stop from bottom to top, each after the one below it has stopped.
	a.start = func(s *supervisor.Stack) {
		if a.unclaim != nil {
			s.AtStop("snapshot file", a.unclaim)
		}
		s.AtStop("producer", publisher.Close)
		s.AtStop("outbox", func() error { return flush(eventPublisher, lifecycle, a.registry) })
		s.Start("registry", a.registry.Run)
		s.Start("silence", func(ctx context.Context) error { return reporter.Run(ctx, a.registry) })
		s.Start("registry log", func(ctx context.Context) error { return registrylog.Run(ctx, a.registry, log) })
		if snapshots != nil {
			s.Start("snapshot", snapshots.Run)
		}
		if probes != nil {
			s.Start("prober", probes.Run)
		}
		s.Start("pipeline", router.Run)
		s.AtStop("canary producer", canaryProducer.Close)
		s.Start("canaries", canaries.Run)
		s.Start("balancing", balancing.Run)
		s.Start("api", func(ctx context.Context) error { return server.Run(ctx, a.api) })
		if a.front != nil {
			s.Start("proxy", func(ctx context.Context) error { return balancing.Serve(ctx, a.front) })
		}
		s.AtStop("readiness", func() error { stopping.Store(true); return nil })
	}
	return nil
}
