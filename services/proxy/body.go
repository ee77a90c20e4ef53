package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// wholeLimit is up to how many bytes a body is read before a server is asked, so that a slow or broken client is no server's burden,
// and so that it can be sent again.
const wholeLimit = 64 << 10

// buffers are for bodies that are held whole, and for copying.
var buffers = sync.Pool{New: func() any { return new([wholeLimit]byte) }}

// body is that of a request: none, or one that is held whole, or a stream.
type body struct {
	stream bool
	unread bool // a part of it may lie on the client's connection still
	whole  []byte
	buffer *[wholeLimit]byte // of whole
}

func (b *body) free() {
	if b.buffer != nil {
		buffers.Put(b.buffer)
		b.buffer, b.whole = nil, nil
	}
}

// readBody finds out what the body is, and reads it if it is short and says so.
func (x *exchange) readBody() error {
	x.replayable.Store(idempotent(x.r.Method))
	n := x.r.ContentLength
	switch {
	case n == 0 || x.r.Body == nil || x.r.Body == http.NoBody:
		x.body.unread = false
		return nil
	case n < 0 || n > wholeLimit:
		x.body.stream = true
		x.replayable.Store(false)
		return nil
	}
	x.body.buffer = buffers.Get().(*[wholeLimit]byte)
	x.body.whole = x.body.buffer[:n]
	if err := x.readWhole(x.body.whole); err != nil {
		x.body.free()
		return x.clientError(err)
	}
	x.body.unread = false
	return nil
}

// leastPerStall is how many bytes of a short body a client must send in each stall timeout, on average, once two have passed. nginx and
// HAProxy bound only the time between two bytes, with which a client could hold a request for days: 64 KiB at a byte in 29 s.
const leastPerStall = 1 << 10

// readWhole fills b from the body. The deadline moves with the bytes.
func (x *exchange) readWhole(b []byte) error {
	control := http.NewResponseController(x.w)
	begun := time.Now()
	for read := 0; read < len(b); {
		now, stall := begun, x.p.cfg.StallTimeout
		if read > 0 {
			now = time.Now()
		}
		at := begun.Add(2*stall + stall*time.Duration(read)/leastPerStall)
		if end := now.Add(stall); end.Before(at) {
			at = end
		}
		_ = control.SetReadDeadline(at)
		n, err := x.r.Body.Read(b[read:])
		read += n
		if err == io.EOF && read < len(b) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && read < len(b) {
			return err
		}
	}
	_ = control.SetReadDeadline(time.Time{}) // or it would end what follows
	return nil
}

// mayLeaveBody reports whether a body that nobody reads stays on the client's connection. In HTTP/2 it has a stream of its own.
func mayLeaveBody(r *http.Request) bool { return r.ContentLength != 0 && r.ProtoMajor == 1 }

// clientError is what a body that cannot be read comes to.
func (x *exchange) clientError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errClientSlow
	case x.r.Context().Err() != nil:
		return errClientGone
	}
	return errClientBody
}

func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}
