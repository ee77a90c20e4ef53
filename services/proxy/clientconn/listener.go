package clientconn

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// settleTimeout is how long clients may take to send a request or to finish a TLS handshake after the last connection was accepted.
const settleTimeout = time.Second

// Listener accepts the connections of clients. Before it closes, it accepts the connections that wait in the kernel's queue. Otherwise the
// kernel would reset them, although clients may have sent requests on them.
type Listener struct {
	net.Listener
	cfg Config

	shutting atomic.Bool
	open     atomic.Int64 // number of open connections, including idle ones
	unused   sync.Map     // connections on which no byte has been received

	// Used only by Accept:
	drained bool // Accept has moved the connections of the kernel's queue to Listener.backlog
	backlog []net.Conn
}

// Config is the configuration of a Listener.
type Config struct {
	TLS              *tls.Config // nil: plain HTTP/1.1
	HandshakeTimeout time.Duration
	Log              *zap.Logger
}

// New returns a Listener that accepts connections of l. It starts nothing.
func New(l net.Listener, cfg Config) *Listener { return &Listener{Listener: l, cfg: cfg} }

// Serve runs the HTTP server s on the listener, and returns when s stops. It sets ConnState, ConnContext and TLSConfig of s. With TLS, it
// offers HTTP/2.
func (l *Listener) Serve(s *http.Server) error {
	s.ConnState, s.ConnContext = l.state, withConn
	if l.cfg.TLS == nil {
		return s.Serve(plain{l})
	}
	s.TLSConfig = withProtocols(l.cfg.TLS) // net/http gets a copy of its own, because it changes the configuration
	h := newHandshakes(l, withProtocols(l.cfg.TLS), l.cfg.HandshakeTimeout, l.cfg.Log)
	var running sync.WaitGroup
	running.Go(h.run)
	defer running.Wait()
	return s.Serve(h)
}

// Open returns the number of open connections, including idle ones.
func (l *Listener) Open() int64 { return l.open.Load() }

// Shut makes Accept return the connections that wait in the kernel's queue, and then net.ErrClosed.
func (l *Listener) Shut() {
	l.shutting.Store(true)
	if below, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok && below.SetDeadline(time.Unix(1, 0)) == nil {
		return
	}
	_ = l.Close()
}

// Accept returns the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	if !l.drained {
		c, err := l.Listener.Accept()
		if err == nil {
			limitUnsent(c)
		}
		if err == nil || !l.shutting.Load() {
			return c, err
		}
		l.backlog, l.drained = acceptBacklog(l.Listener), true
	}
	if len(l.backlog) == 0 {
		return nil, net.ErrClosed
	}
	c := l.backlog[0]
	l.backlog = l.backlog[1:]
	return c, nil
}

// state is for http.Server.ConnState: net/http calls it when a connection changes its state. It counts the open connections, and records
// the connections that Settle must wait for.
func (l *Listener) state(c net.Conn, to http.ConnState) {
	switch to {
	case http.StateNew:
		l.open.Add(1)
		l.unused.Store(c, true)
		return
	case http.StateIdle, http.StateHijacked: // a hijacked connection is a websocket, which counts as a request in flight
		if w, ok := c.(watched); ok {
			w.endRequest()
		}
	}
	if to == http.StateClosed || to == http.StateHijacked {
		l.open.Add(-1)
	}
	l.unused.Delete(c)
}

// Settle waits until a byte has been received on every connection, but at most for settleTimeout. Without Settle, http.Server.Shutdown
// would close a connection whose first request arrives during Shutdown.
func (l *Listener) Settle() {
	timeout := time.After(settleTimeout)
	for {
		waiting := false
		l.unused.Range(func(any, any) bool {
			waiting = true
			return false
		})
		if !waiting {
			return
		}
		select {
		case <-timeout:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// plain is a Listener whose Accept returns connections that watch header fields (see conn).
type plain struct{ *Listener }

func (p plain) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}
