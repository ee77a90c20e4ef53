package app

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/apiserver"
	"rollcall/services/canary"
	"rollcall/services/config"
	"rollcall/services/prober"
	"rollcall/services/proxy"
	"rollcall/services/registry"
	"rollcall/services/silence"
	"rollcall/services/snapshot"
	"rollcall/services/supervisor"
	"rollcall/stages"
)

// APIServer receives heartbeats, keeps the registry, publishes lifecycle events, and serves the HTTP API and the proxy.
type APIServer struct {
	id      string
	log     *zap.Logger
	cluster nsqpubsub.Cluster
	metrics *prometheus.Registry
	permit  stages.Permit

	api     net.Listener
	front   net.Listener // listener of the proxy; nil if the proxy does not listen
	unclaim func() error // lets another process use the snapshot file; nil if there is no snapshot file

	subscriber     *nsqpubsub.Subscriber
	publisher      *nsqpubsub.Publisher
	canaryProducer *nsqpubsub.Producer
	reporter       *silence.Reporter
	registry       *registry.Registry
	canaries       *canary.Sender
	prober         *prober.Prober   // nil if registry.probe is off
	snapshots      *snapshot.Writer // nil if there is no snapshot file
	router         *pipeline.Router
	events         *pipeline.Source[events.Event]
	eventPublisher *pipeline.TopicPublisher
	proxy          *proxy.Proxy
	server         *apiserver.Server
	stopping       atomic.Bool
}

// ListenAPIServer creates an API server and opens its listeners. So it reports a port in use before anything starts. cfg must be valid. The
// caller must call Run, which closes the listeners.
func ListenAPIServer(cfg config.Config, log *zap.Logger) (*APIServer, error) {
	a := &APIServer{id: cfg.ID, log: log}
	err := a.wire(cfg, log)
	if err == nil {
		return a, nil
	}
	for _, l := range []net.Listener{a.api, a.front} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	if a.unclaim != nil {
		err = errors.Join(err, a.unclaim())
	}
	return nil, err
}

// Addr returns the address on which the API listens.
func (a *APIServer) Addr() string { return a.api.Addr().String() }

// ProxyAddr returns the address on which the proxy listens, or "" if it does not listen.
func (a *APIServer) ProxyAddr() string {
	if a.front == nil {
		return ""
	}
	return a.front.Addr().String()
}

// Cluster returns the NSQ cluster of the API server, for other parts of the process.
func (a *APIServer) Cluster() nsqpubsub.Cluster { return a.cluster }

// Registry returns the registry, for a program that embeds the API server.
func (a *APIServer) Registry() *registry.Registry { return a.registry }

// Run serves until ctx ends or a part fails. Then it stops all parts in the reverse order of start. Each part limits the time of
// its stop.
func (a *APIServer) Run(ctx context.Context) error {
	s := supervisor.New()
	a.start(s)
	a.log.Info("API server is listening", zap.String("id", a.id), zap.String("address", a.Addr()), zap.String("proxy", a.ProxyAddr()))
	err := s.Wait(ctx)
	a.log.Info("API server has stopped", zap.String("id", a.id))
	return err
}
