package clientconn

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	protoHTTP2 = "h2"
	protoHTTP1 = "http/1.1"
)

var errPlainHTTP = errors.New("the client sent HTTP without TLS")

// handshakes is a listener whose Accept returns connections after their TLS handshake. net/http can do handshakes too, but then it reads
// HTTP/1 directly from the *tls.Conn, so that a conn cannot watch the header fields.
type handshakes struct {
	net.Listener
	cfg     *tls.Config
	timeout time.Duration // time limit of each handshake
	log     *zap.Logger

	ready   chan net.Conn
	failed  chan error // errors of Listener.Accept
	pending sync.WaitGroup
	closed  chan struct{}
	close   func() error
}

func newHandshakes(l net.Listener, cfg *tls.Config, timeout time.Duration, log *zap.Logger) *handshakes {
	h := &handshakes{
		Listener: l, cfg: cfg, timeout: timeout, log: log,
		ready: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}),
	}
	h.close = sync.OnceValue(func() error {
		close(h.closed)
		return l.Close()
	})
	return h
}

// withProtocols returns a copy of cfg that offers HTTP/2 and HTTP/1.1.
func withProtocols(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.NextProtos = slices.Clone(cfg.NextProtos)
	for _, proto := range []string{protoHTTP2, protoHTTP1} {
		if !slices.Contains(cfg.NextProtos, proto) {
			cfg.NextProtos = append(cfg.NextProtos, proto)
		}
	}
	return cfg
}

// Accept returns the next connection, or an error of the underlying listener.
func (h *handshakes) Accept() (net.Conn, error) {
	select {
	case c := <-h.ready:
		return c, nil
	case err := <-h.failed:
		return nil, err
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept and run return. It does not close connections that Accept has returned.
func (h *handshakes) Close() error { return h.close() }

// run accepts connections until the underlying listener fails or Close is called. After the listener has failed, handshakes in progress
// have settleTimeout to finish. After Close, run cuts off the handshakes in progress. When run returns, all its goroutines have ended.
func (h *handshakes) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer h.pending.Wait()
	defer cancel()
	for {
		c, err := h.Listener.Accept()
		if err == nil {
			h.pending.Go(func() { h.shake(ctx, c) })
			continue
		}
		temporary, ok := err.(interface{ Temporary() bool })
		last := !ok || !temporary.Temporary()
		if last {
			h.settle()
		}
		select {
		case h.failed <- err: // this send waits after a temporary error, because net/http pauses before it calls Accept again
		case <-h.closed:
			return
		}
		if last {
			return
		}
	}
}

// settle returns when no handshake is in progress, or after settleTimeout.
func (h *handshakes) settle() {
	settled := make(chan struct{})
	go func() {
		h.pending.Wait()
		close(settled)
	}()
	select {
	case <-settled:
	case <-time.After(settleTimeout):
	case <-h.closed:
	}
}

func (h *handshakes) shake(ctx context.Context, raw net.Conn) {
	c := tls.Server(raw, h.cfg)
	_ = raw.SetDeadline(time.Now().Add(h.timeout))
	if err := c.HandshakeContext(ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && beginsHTTP(record.RecordHeader) {
			err = errPlainHTTP
			_, _ = io.WriteString(raw, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		}
		_ = raw.Close()
		h.log.Warn("proxy: TLS handshake failed", zap.Stringer("client", raw.RemoteAddr()), zap.Error(err))
		return
	}
	_ = raw.SetDeadline(time.Time{})
	var ready net.Conn = c
	if c.ConnectionState().NegotiatedProtocol != protoHTTP2 { // for HTTP/2, net/http needs the *tls.Conn itself
		ready = &tlsConn{conn: conn{Conn: c}, tls: c}
	}
	select {
	case h.ready <- ready:
	case <-ctx.Done():
		_ = raw.Close()
	case <-h.closed:
		_ = raw.Close()
	}
}

func beginsHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// tlsConn is a conn above TLS. net/http calls ConnectionState to set Request.TLS.
type tlsConn struct {
	conn
	tls *tls.Conn
}

func (c *tlsConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }
