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

// wholeLimit is the size in bytes up to which a body is read before a server is asked: then a client that is slow or breaks off is no burden
// for a server, and the body can be sent again.
const wholeLimit = 64 << 10

// buffers are for bodies that are held whole, and for copying.
var buffers = sync.Pool{New: func() any { return new([wholeLimit]byte) }}

var (
	errClientBody = errors.New("the body of the request is broken")
	errClientSlow = errors.New("the body of the request did not come in time")
)

// body is the body of a request: none, one that is held whole, or a stream. It is a Stream.
type body struct {
	p *Proxy
	w http.ResponseWriter
	r *http.Request

	whole  []byte            // all of it, or nil
	buffer *[wholeLimit]byte // of whole
	unread bool              // a part of it may be left on the client's connection

	stream  bool // it is sent while it is received
	started bool // Start was called
	lingers bool // Stop makes the client's connection linger
	mu      sync.Mutex
	read    bool      // the client has sent all of it
	end     time.Time // of reading, after Stop
}

// mayLeaveBody reports whether a body that nobody reads stays on the client's connection. In HTTP/2 it has a stream of its own.
func mayLeaveBody(r *http.Request) bool { return r.ContentLength != 0 && r.ProtoMajor == 1 }

// open finds out what the body is, and reads it if its length is given and small.
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

// leastPerStall is how many bytes of a small body a client must send per stall timeout, on average, after the first two. nginx and HAProxy
// bound only the time between two bytes, with which a client can hold a request for days: 64 KiB with a byte every 29 s.
const leastPerStall = 1 << 10

// readWhole fills whole from the body. The deadline moves with the bytes.
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
	_ = control.SetReadDeadline(time.Time{}) // or it would end what follows
	return nil
}

// clientError returns the reason of an error of Read.
func (b *body) clientError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errClientSlow
	case b.r.Context().Err() != nil:
		return upstream.ErrClientGone
	}
	return errClientBody
}
