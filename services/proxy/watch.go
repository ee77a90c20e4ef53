package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// watched is the connection of a client that speaks HTTP/1. net/http removes Content-Length where Transfer-Encoding stands beside it, and
// Transfer-Encoding from HTTP/1.0, before a handler sees the request. watched looks for both fields in the bytes that it passes.
//
// It must know which of these bytes are the header of the request that a handler gets. For that, a Read ends with the header that it
// finishes; what was received after it is the next Read's, without a system call. So net/http has buffered nothing when the handler
// begins, and the last header that passed is the header of its request. While a body is read, Read ends nowhere; a header that may
// have passed together with the body is taken for one that has every field that passed.
//
// net/http lets one goroutine at a time read, and none while body or idle is called.
type watched struct {
	net.Conn
	lines   headerLines
	inBody  bool   // a request with a body is being answered
	ended   bool   // a header ended after the last call of body,
	header  fields // with these fields
	carried fields // fields that passed while a body was read and may belong to a header that is still to come

	rest []byte  // received, not passed yet
	of   *[]byte // the buffer of rest
	err  error   // what follows rest

	coding  atomic.Bool                 // a line with Transfer-Encoding passed, in whatever request
	lingers atomic.Pointer[atomic.Bool] // whether the proxy stops; nil: the connection does not linger
}

// rests are buffers for what is received after a header, in the size of net/http's reads.
var rests = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// watching is a listener of watched connections.
type watching struct{ net.Listener }

func (l watching) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watched{Conn: c}, nil
}

type watchedKey struct{}

// withWatched is http.Server.ConnContext.
func withWatched(ctx context.Context, c net.Conn) context.Context {
	if w, ok := c.(watcher); ok {
		return context.WithValue(ctx, watchedKey{}, w)
	}
	return ctx // HTTP/2
}

// watcher is a *watched, or one above TLS.
type watcher interface {
	body() fields
	coded() bool
	idle()
	linger(stopping *atomic.Bool)
}

// framingOf returns the fields that may have been in the header of a request with a body, all of them where nobody watched. The first
// handler of a request calls it, once, before it reads the body.
func framingOf(r *http.Request) fields {
	if w, ok := r.Context().Value(watchedKey{}).(watcher); ok {
		return w.body()
	}
	return hasLength | hasCoding
}

// codedOf reports whether a request without a body may have had Transfer-Encoding in its header. While it is handled net/http may read.
func codedOf(r *http.Request) bool {
	w, ok := r.Context().Value(watchedKey{}).(watcher)
	return !ok || w.coded()
}

func (w *watched) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if w.of != nil {
		n := w.pass(p[:copy(p, w.rest)])
		if w.rest = w.rest[n:]; len(w.rest) == 0 {
			w.release()
		}
		return n, nil
	}
	if err := w.err; err != nil {
		w.err = nil
		return 0, err
	}
	n, err := w.Conn.Read(p)
	if passed := w.pass(p[:n]); passed < n {
		w.of = rests.Get().(*[]byte)
		*w.of = append((*w.of)[:0], p[passed:n]...)
		w.rest, w.err = *w.of, err
		return passed, nil
	}
	return n, err
}

// pass returns how many of the bytes the next Read may have.
func (w *watched) pass(p []byte) int {
	if w.inBody {
		for n := 0; n < len(p); {
			passed, _ := w.next(p[n:])
			n += passed
			w.carried |= w.lines.found
		}
		return len(p)
	}
	n, ended := w.next(p)
	if ended {
		w.ended, w.header, w.carried = true, w.carried|w.lines.found, 0
	}
	return n
}

func (w *watched) next(p []byte) (n int, ended bool) {
	n, ended = w.lines.next(p)
	if w.lines.found&hasCoding != 0 {
		w.coding.Store(true)
	}
	return n, ended
}

func (w *watched) release() {
	rests.Put(w.of)
	w.of, w.rest = nil, nil
}

// body returns the fields of the request that is to be handled, and says that it has a body.
func (w *watched) body() fields {
	found := w.carried
	if w.ended {
		found = w.header
	}
	w.inBody, w.ended = true, false
	return found
}

// coded reports whether Transfer-Encoding passed so far.
func (w *watched) coded() bool { return w.coding.Load() }

// idle says that the answer is complete.
func (w *watched) idle() { w.inBody = false }

// NetConn returns the connection below, as that of tls.Conn does.
func (w *watched) NetConn() net.Conn { return w.Conn }

// ReadFrom lets the kernel copy between sockets where it can.
func (w *watched) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.Conn, r) }

// WriteTo is for hijacked connections, on which there are no more headers.
func (w *watched) WriteTo(to io.Writer) (int64, error) {
	var first int64
	if w.of != nil {
		n, err := to.Write(w.rest)
		if err != nil {
			return int64(n), err
		}
		first = int64(n)
		w.release()
	}
	if w.err != nil {
		return first, nil // no socket has bytes and an error at once
	}
	n, err := io.Copy(to, w.Conn)
	return first + n, err
}
