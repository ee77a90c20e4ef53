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

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

// APIServer hears the heartbeats, keeps the roll, tells of its changes and answers for it.
type APIServer struct {
	cfg      Config
	log      *zap.Logger
	cluster  nsqpubsub.Cluster
	metrics  *prometheus.Registry
	roll     *roll
	listener net.Listener
	http     *apiserver.Server
	stopping atomic.Bool
}

// ListenAPIServer opens the port of the API, so that a taken port is told before anything else starts. The caller
// must call Run, which closes it. cfg must be valid.
func ListenAPIServer(cfg Config, log *zap.Logger) (*APIServer, error) {
	l, err := listen("api.listen", cfg.API.Listen)
	if err != nil {
		return nil, err
	}
	a, err := newAPIServer(cfg, l, log)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return a, nil
}

func newAPIServer(cfg Config, l net.Listener, log *zap.Logger) (*APIServer, error) {
	a := &APIServer{cfg: cfg, log: log, metrics: prometheus.NewRegistry(), listener: l}
	own, err := ownAddrs(l)
	if err != nil {
		return nil, err
	}
	if a.cluster, err = cfg.NSQ.Cluster(); err != nil {
		return nil, err
	}
	if a.roll, err = newRoll(cfg, a.cluster, own, a.metrics, log); err != nil {
		return nil, err
	}
	if a.http, err = apiserver.New(apiserver.Config{
		Registry: a.roll.registry,
		ID:       cfg.ID,
		Version:  Version(),
		Nodes:    a.nodes,
		Ready:    a.ready,
		Gatherer: a.metrics,
		Log:      log,
	}); err != nil {
		return nil, err
	}
	for _, c := range []prometheus.Collector{
		a.http, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := a.metrics.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return a, nil
}

// Addr is where the API listens.
func (a *APIServer) Addr() string { return a.listener.Addr().String() }

// Cluster is the NSQ that the API server hears, for others in the same process.
func (a *APIServer) Cluster() nsqpubsub.Cluster { return a.cluster }

// Registry is the roll, for a program that embeds the API server.
func (a *APIServer) Registry() *registry.Registry { return a.roll.registry }

// Run serves until ctx ends. Then it stops, each part bounded in time: readiness, HTTP, and then as roll.start says.
func (a *APIServer) Run(ctx context.Context) error {
	s := newStack()
	a.roll.start(s)
	s.start("api", func(ctx context.Context) error { return a.http.Run(ctx, a.listener) })
	s.atStop("readiness", func() error {
		a.stopping.Store(true)
		return nil
	})
	a.log.Info("api server listens", zap.String("id", a.cfg.ID), zap.String("address", a.Addr()))
	err := s.wait(ctx)
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

func (a *APIServer) nodes() []apiserver.Node {
	var nodes []apiserver.Node
	for _, n := range a.roll.subscriber.Nodes() {
		node := apiserver.Node{Address: n.Address, Connected: n.Connected, LastMessage: n.LastMessage, Received: n.Received}
		if n.Err != nil {
			node.Error = n.Err.Error()
		}
		nodes = append(nodes, node)
	}
	return nodes
}
