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

// wholeLimit is the largest body in bytes that is read into memory before the request is sent: then a slow client does not occupy a server,
// and the request can be sent again.
const wholeLimit = 64 << 10

// buffers has the buffers of bodies in memory and of copies.
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
	buffer *[wholeLimit]byte // backing array of whole
	unread bool              // a part of the body may be left on the client's connection

	stream  bool // the body is sent while it is read
	started bool // Start was called
	lingers bool // the client's connection lingers after Stop
	mu      sync.Mutex
	read    bool      // the body was read to its end
	end     time.Time // read deadline after Stop; zero before
}

// mayLeaveBody reports whether an unread body would be left on the client's connection. In HTTP/2 each body has its own stream.
func mayLeaveBody(r *http.Request) bool { return r.ContentLength != 0 && r.ProtoMajor == 1 }

// open reads the body into memory if its length is known and at most wholeLimit.
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

// free releases the buffer.
func (b *body) free() {
	if b.buffer != nil {
		buffers.Put(b.buffer)
		b.buffer, b.whole = nil, nil
	}
}

// leastPerStall is how many bytes of a body of at most wholeLimit a client must send per stall timeout on average, after two stall timeouts.
// A limit of the time between two bytes, as in nginx and HAProxy, is not enough: 64 KiB with a byte every 29 s takes three weeks.
const leastPerStall = 1 << 10

// readWhole fills whole from the body. Each read moves the deadline.
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
	_ = control.SetReadDeadline(time.Time{}) // for the next use of the connection
	return nil
}

// clientError returns the error to report for an error of Body.Read.
func (b *body) clientError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errClientSlow
	case b.r.Context().Err() != nil:
		return upstream.ErrClientGone
	}
	return errClientBody
}
