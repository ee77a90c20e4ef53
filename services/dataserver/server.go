package dataserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rollcall/events"
)

// Server is an HTTP server that publishes heartbeats while it runs. It serves /healthz with status 200, /metrics if
// ServerConfig.Gatherer is set, and all other paths with ServerConfig.Handler. Every response carries the server's identity;
// see Agent.Identify.
type Server struct {
	cfg      ServerConfig
	ran      atomic.Bool
	inFlight atomic.Int64
}

// NewServer returns a Server and starts nothing. It fails if cfg is invalid.
func NewServer(cfg ServerConfig) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	s := &Server{cfg: cfg}
	if cfg.Agent.Load == nil {
		s.cfg.Agent.Load = func() events.Load { return events.Load{InFlight: s.inFlight.Load()} }
	}
	return s, nil
}

// Run listens, serves and publishes heartbeats until ctx ends. Then it publishes the leave, goes on serving for Linger, and
// waits for the requests in flight. After the end of ctx, Run takes at most the sum of LeaveTimeout, Linger, Drain and two
// seconds. Run returns an error if it cannot listen, if it finds no address to advertise, if no nsqd accepted the leave, or
// if it closed connections with requests in flight. A second call returns ErrRan.
func (s *Server) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return ErrRan
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("dataserver: %w", err)
	}
	agent, err := s.newAgent(ctx, l.Addr())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if s.cfg.OnListen != nil {
		s.cfg.OnListen(l.Addr().String(), agent.Addr())
	}
	return s.serve(ctx, l, agent)
}

func (s *Server) newAgent(ctx context.Context, listen net.Addr) (_ *Agent, err error) {
	cfg := s.cfg.Agent
	if cfg.Addr == "" {
		if cfg.Addr, err = Advertised(ctx, listen, cfg.NSQ); err != nil {
			return nil, err
		}
	}
	return NewAgent(cfg)
}

func (s *Server) serve(ctx context.Context, l net.Listener, agent *Agent) error {
	h := &http.Server{
		Handler:           s.routes(agent),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		defer stop() // if Serve fails, ends ctx, so that the agent publishes the leave of the server
		served <- h.Serve(l)
	}()

	left := agent.Run(ctx)
	time.Sleep(s.cfg.Linger)
	drained := s.drain(h)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(fmt.Errorf("dataserver: serve: %w", err), left, drained)
	}
	return errors.Join(left, drained)
}

// drain waits for the requests in flight, but at most for ServerConfig.Drain. Then it closes the remaining connections.
func (s *Server) drain(h *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("dataserver: closed connections with %d requests in flight: %w", s.inFlight.Load(), err), h.Close())
	}
	return nil
}

func (s *Server) routes(agent *Agent) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/healthz", agent.Health())
	if s.cfg.Gatherer != nil {
		mux.Handle("/metrics", promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{}))
	}
	handler := s.cfg.Handler
	if handler == nil {
		handler = echo(agent)
	}
	mux.Handle("/", s.counted(handler))
	h := agent.Identify(mux)
	for _, also := range s.cfg.Also {
		h = also.Identify(h)
	}
	return h
}

func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.inFlight.Add(1)
		defer s.inFlight.Add(-1)
		next.ServeHTTP(w, r)
	})
}
