package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"rollcall/services/proxy/upstream"
)

// wholeLimit is the size in bytes of the largest body that the proxy reads into memory before it sends the request. With the body in
// memory, a slow client does not occupy a server, and the proxy can send the request again.
const wholeLimit = 64 << 10

// buffers is the pool of buffers for request bodies in memory and for copying response bodies.
var buffers = sync.Pool{New: func() any { return new([wholeLimit]byte) }}

var (
	errClientBody = errors.New("the request body is malformed or incomplete")
	errClientSlow = errors.New("the request body was not received in time")
)

// body is a request body: empty, in memory, or a stream. It implements upstream.Stream.
type body struct {
	p *Proxy
	w http.ResponseWriter
	r *http.Request

	whole  []byte            // the body in memory, or nil
	buffer *[wholeLimit]byte // backing array of body.whole
	unread bool              // the client's connection may hold a part of the body that was not read

	stream  bool // the body is sent to the server while it is read from the client
	started bool // Start was called
	lingers bool // after Stop, the client's connection lingers (see clientconn.LingerAfter)
	mu      sync.Mutex
	read    bool      // the body was read to its end
	end     time.Time // read deadline that Stop has set; zero before Stop
}

// mayLeaveBody reports whether the client's connection would still hold the request body if the proxy did not read it. In HTTP/2 this
// cannot happen, because each body has its own stream.
func mayLeaveBody(r *http.Request) bool { return r.ContentLength != 0 && r.ProtoMajor == 1 }

// open reads the body into memory if its length is known and at most wholeLimit. Every other body becomes a stream.
func (b *body) open() error {
	b.unread = mayLeaveBody(b.r)
	n := b.r.ContentLength
	switch {
	case n == 0 || b.r.Body == nil || b.r.Body == http.NoBody:
		b.unread = false
		return nil
	case n < 0 || n > wholeLimit:
		b.stream = true
		return nil
	}
	b.buffer = buffers.Get().(*[wholeLimit]byte)
	b.whole = b.buffer[:n]
	if err := b.readWhole(b.whole); err != nil {
		b.free()
		return b.clientError(err)
	}
	b.unread = false
	return nil
}

func (b *body) free() {
	if b.buffer != nil {
		buffers.Put(b.buffer)
		b.buffer, b.whole = nil, nil
	}
}

// leastPerStall is the number of bytes per stall timeout that a client must send on average, after the first two stall timeouts, while the
// proxy reads a body into memory. A limit for the pause between two bytes, as in nginx and HAProxy, is not enough: a client that sends a
// byte every 29 s, just within the default stall timeout, needs 22 days for 64 KiB.
const leastPerStall = 1 << 10

// readWhole reads the body until the buffer is full. It sets a new deadline before each read, so that a slow client has to keep the rate
// leastPerStall.
func (b *body) readWhole(whole []byte) error {
	control := http.NewResponseController(b.w)
	begun := time.Now()
	for read := 0; read < len(whole); {
		now, stall := begun, b.p.cfg.StallTimeout
		if read > 0 {
			now = time.Now()
		}
		at := begun.Add(2*stall + stall*time.Duration(read)/leastPerStall)
		if end := now.Add(stall); end.Before(at) {
			at = end
		}
		_ = control.SetReadDeadline(at)
		n, err := b.r.Body.Read(whole[read:])
		read += n
		if err == io.EOF && read < len(whole) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && read < len(whole) {
			return err
		}
	}
	_ = control.SetReadDeadline(time.Time{}) // so that the deadline does not end the next request on the connection
	return nil
}

// clientError translates an error of Body.Read to errClientSlow, upstream.ErrClientGone or errClientBody.
func (b *body) clientError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errClientSlow
	case b.r.Context().Err() != nil:
		return upstream.ErrClientGone
	}
	return errClientBody
}
