package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"

	"rollcall/services/connlimit"
)

// What a client may take of a server that is open to many.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // of header and body together; the time of a handler does not count
	idleTimeout   = 90 * time.Second
	headerLimit   = 16 << 10 // bytes
	drainTimeout  = 5 * time.Second
)

// Server answers the API's requests. It is also the prometheus.Collector of its requests, of the
// registry's figures and of each nsqd.
type Server struct {
	cfg      Config
	started  time.Time
	boot     string // tells this process from the one before, in every ETag
	handler  http.Handler
	requests *requestMetrics
	figures  *figures
	lists    *lists

	draining chan struct{} // closed once Run's context has ended: long polls answer
	drain    func()
}

// New starts nothing. The error is that of cfg.Validate.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	started := cfg.Now()
	draining := make(chan struct{})
	s := &Server{
		cfg:      cfg,
		started:  started,
		boot:     strconv.FormatInt(started.UnixNano(), 36),
		requests: newRequestMetrics(),
		figures:  newFigures(cfg),
		lists:    newLists(cfg.ListBytes),
		draining: draining,
		drain:    sync.OnceFunc(func() { close(draining) }),
	}
	s.handler = s.router()
	return s, nil
}

// Handler serves the API without a listener of its own, and so without Run's limits and drain. It is safe
// for concurrent use.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves on l, which it closes, until ctx ends. Then long polls get their answer at once, other
// requests have 5 s to finish, and what is left is cut. Run is called once; it returns nil, or the
// error that kept it from serving.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	errorLog, err := zap.NewStdLogAt(s.cfg.Log, zap.WarnLevel)
	if err != nil {
		return errors.Join(fmt.Errorf("apiserver: log: %w", err), l.Close())
	}
	hs := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          errorLog,
	}
	connlimit.Configure(hs, l, headerLimit)
	served := make(chan error, 1)
	go func() { served <- hs.Serve(l) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("apiserver: serve: %w", err), hs.Close())
	case <-ctx.Done():
	}
	s.stop(hs)
	<-served
	return nil
}

func (s *Server) stop(hs *http.Server) {
	s.drain()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := hs.Shutdown(ctx); err != nil {
		// A client that dawdles is no failure of ours.
		s.cfg.Log.Warn("api: requests were cut off", zap.Duration("after", drainTimeout), zap.Error(errors.Join(err, hs.Close())))
	}
}
