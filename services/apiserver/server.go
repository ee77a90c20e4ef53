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

// Limits for clients.
const (
	headerTimeout = 5 * time.Second  // time that a client has to send the header of a request
	readTimeout   = 10 * time.Second // time that a client has to send the header and the body of a request together; a handler can take longer
	idleTimeout   = 90 * time.Second // longest time from a response to the next request on the connection
	headerLimit   = 16 << 10         // largest header of a request, in bytes
	drainTimeout  = 5 * time.Second  // time that requests in flight have to finish after the context of Run has ended
)

// Server serves the API. It is also a prometheus.Collector. It collects metrics of its own requests, the figures of the registry, and the
// state of each nsqd.
type Server struct {
	cfg       Config
	started   time.Time
	boot      string // start time; distinguishes the ETags of this process from the ETags of earlier processes
	indexBase uint64
	handler   http.Handler
	requests  *requestMetrics
	figures   *figures
	lists     *lists
	texts     *blockTexts
	indexes   *indexes

	draining chan struct{} // closed when the context of Run ends; ends long polls
	drain    func()        // closes the channel draining; can be called more than once
}

// New returns a Server for cfg. It starts nothing. The error comes from cfg.Validate.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	started := cfg.Now()
	boot := strconv.FormatInt(started.UnixNano(), 36)
	draining := make(chan struct{})
	lists := newLists(cfg.ListBytes)
	s := &Server{
		cfg:       cfg,
		started:   started,
		boot:      boot,
		indexBase: indexBase(boot, cfg.ID),
		requests:  newRequestMetrics(),
		figures:   newFigures(cfg),
		lists:     lists,
		texts:     &blockTexts{server: newServerEncoder(nil)},
		indexes:   &indexes{turns: lists.encoding},
		draining:  draining,
		drain:     sync.OnceFunc(func() { close(draining) }),
	}
	s.handler = s.router()
	return s, nil
}

// Handler returns the handler of the API. It is safe for concurrent use. Only Run sets the limits for connections: reading and idle
// timeouts and the size of headers.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves on l until ctx ends, and closes l. When ctx ends, long polls get their response at once, other requests have 5 s to finish,
// and then the remaining connections are closed. Run may be called once. It returns nil after ctx has ended, or the error that ended it
// earlier.
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
		// Slow clients are not an error of Run, so Run only logs that it closed their connections.
		s.cfg.Log.Warn("api: closed connections with requests in flight", zap.Duration("after", drainTimeout), zap.Error(errors.Join(err, hs.Close())))
	}
}
