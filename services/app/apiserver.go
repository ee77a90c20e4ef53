package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/apiserver"
	"rollcall/services/balancer"
	"rollcall/services/config"
	"rollcall/services/connlimit"
	"rollcall/services/proxy"
	"rollcall/services/registry"
	"rollcall/services/snapshot"
	"rollcall/services/supervisor"
	"rollcall/services/version"
)

// APIServer hears the heartbeats, keeps the roll, tells of its changes and answers for it.
type APIServer struct {
	cfg      config.Config
	log      *zap.Logger
	cluster  nsqpubsub.Cluster
	metrics  *prometheus.Registry
	roll     *roll
	listener net.Listener
	http     *apiserver.Server
	front    net.Listener // of the proxy; nil: it does not listen
	proxy    *proxy.Proxy
	claim    func() error // gives the snapshot file back; nil: there is none
	stopping atomic.Bool
}

// ListenAPIServer opens the ports of the API and of the proxy, so that a taken port is told before anything else
// starts. The caller must call Run, which closes them. cfg must be valid.
func ListenAPIServer(cfg config.Config, log *zap.Logger) (*APIServer, error) {
	a := &APIServer{cfg: cfg, log: log, metrics: prometheus.NewRegistry()}
	if err := a.listenAndWire(); err != nil {
		for _, l := range []net.Listener{a.listener, a.front} {
			if l != nil {
				err = errors.Join(err, l.Close())
			}
		}
		if a.claim != nil {
			err = errors.Join(err, a.claim())
		}
		return nil, err
	}
	return a, nil
}

func (a *APIServer) listenAndWire() (err error) {
	api, err := listen("api", a.cfg.API.Listen, a.cfg.API.Connections, a.log)
	if err != nil {
		return err
	}
	a.listener = api
	bounded := map[string]*connlimit.Listener{"api": api}
	if a.cfg.Proxy.Listen != config.Off {
		front, err := listen("proxy", a.cfg.Proxy.Listen, a.cfg.Proxy.Connections, a.log)
		if err != nil {
			return err
		}
		a.front = front
		bounded["proxy"] = front
	}
	if err := a.metrics.Register(connlimit.Collector(bounded)); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return a.wire()
}

func (a *APIServer) wire() error {
	own, err := ownAddrs(a.listener, a.front)
	if err != nil {
		return err
	}
	if a.cluster, err = a.cfg.NSQ.Cluster(); err != nil {
		return err
	}
	if path := a.cfg.Registry.Snapshot; path != "" {
		if a.claim, err = snapshot.Claim(path); err != nil {
			return err
		}
	}
	if a.roll, err = newRoll(a.cfg, a.cluster, own, a.metrics, a.log); err != nil {
		return err
	}
	if a.proxy, err = newProxy(a.cfg, a.roll, a.metrics, a.log); err != nil {
		return err
	}
	if a.http, err = apiserver.New(apiserver.Config{
		Registry: a.roll.registry,
		ID:       a.cfg.ID,
		Version:  version.String(),
		Nodes:    a.nodes,
		Events:   a.roll.eventsState,
		Ready:    a.ready,
		Gatherer: a.metrics,
		Log:      a.log,
		Pick:     a.pick,

		ServiceLabel: a.proxy.ServiceLabel, // so that the metrics of both agree
	}); err != nil {
		return err
	}
	for _, c := range []prometheus.Collector{
		a.http, a.roll.waiting(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := a.metrics.Register(c); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	return nil
}

// Addr is where the API listens.
func (a *APIServer) Addr() string { return a.listener.Addr().String() }

// ProxyAddr is where the proxy listens; empty if it does not.
func (a *APIServer) ProxyAddr() string {
	if a.front == nil {
		return ""
	}
	return a.front.Addr().String()
}

// Cluster is the NSQ that the API server hears, for others in the same process.
func (a *APIServer) Cluster() nsqpubsub.Cluster { return a.cluster }

// Registry is the roll, for a program that embeds the API server.
func (a *APIServer) Registry() *registry.Registry { return a.roll.registry }

// Run serves until ctx ends. Then it stops, each part bounded in time: readiness, proxy, API, and then as roll.start says.
func (a *APIServer) Run(ctx context.Context) error {
	s := supervisor.New()
	if a.claim != nil {
		s.AtStop("snapshot file", a.claim)
	}
	a.roll.start(s)
	s.Start("balancing", a.proxy.Run)
	s.Start("api", func(ctx context.Context) error { return a.http.Run(ctx, a.listener) })
	if a.front != nil {
		s.Start("proxy", func(ctx context.Context) error { return a.proxy.Serve(ctx, a.front) })
	}
	s.AtStop("readiness", func() error {
		a.stopping.Store(true)
		return nil
	})
	a.log.Info("api server listens", zap.String("id", a.cfg.ID), zap.String("address", a.Addr()), zap.String("proxy", a.ProxyAddr()))
	err := s.Wait(ctx)
	a.log.Info("api server stopped", zap.String("id", a.cfg.ID))
	return err
}

// ready says why nobody should be sent here. That no broker is heard is no reason: the roll is kept.
func (a *APIServer) ready() error {
	if a.stopping.Load() {
		return errors.New("stopping")
	}
	return nil
}

// pick is the proxy's choice, in the terms of the API.
func (a *APIServer) pick(ctx context.Context, service, policy, key string) (*events.Server, error) {
	s, err := a.proxy.Pick(ctx, service, balancer.Policy(policy), key)
	switch {
	case errors.Is(err, proxy.ErrNoServer):
		return nil, apiserver.ErrNoServer
	case errors.Is(err, balancer.ErrPolicy):
		return nil, fmt.Errorf("%w: want one of %s", apiserver.ErrPolicy, balancer.PolicyNames())
	}
	return s, err
}

func (a *APIServer) nodes() []apiserver.Node {
	var nodes []apiserver.Node
	for _, n := range a.roll.subscriber.Nodes() {
		node := apiserver.Node{Address: n.Address, Connected: n.Connected, LastMessage: n.LastMessage, Received: n.Received, Loss: a.roll.canaries.Loss(n.Address)}
		if n.Err != nil {
			node.Error = n.Err.Error()
		}
		nodes = append(nodes, node)
	}
	return nodes
}
