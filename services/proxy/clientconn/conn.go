package clientconn

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// conn is a connection of a client that speaks HTTP/1. net/http removes Content-Length if the request also has Transfer-Encoding, and
// Transfer-Encoding from HTTP/1.0, before a handler sees the request. conn looks for both fields in the bytes that it returns from Read.
//
// It must know which bytes are the header of the request that a handler gets. Therefore Read returns no byte after the end of a header;
// the rest is kept for the next Read. net/http then has buffered nothing when the handler begins, and the last header that Read
// returned belongs to the handler's request. During a body, Read returns everything. A header that may have been returned together
// with the body is treated as if it had all fields that were found meanwhile.
//
// net/http calls Read from one goroutine at a time, and from none during beginBody and endRequest.
type conn struct {
	net.Conn
	lines   headerLines
	inBody  bool   // a request with a body is being handled
	ended   bool   // a header has ended since the last beginBody,
	header  fields // with these fields
	carried fields // fields that were found during a body, and may belong to the next header

	rest   []byte  // received, but not yet returned by Read
	buffer *[]byte // holds rest
	err    error   // to be returned after rest

	coding  atomic.Bool                 // Transfer-Encoding was found in any request
	lingers atomic.Pointer[atomic.Bool] // whether the proxy is stopping; nil: the connection does not linger
}

// rests are the buffers of conn.rest. They have the size of net/http's reads.
var rests = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// withConn is http.Server.ConnContext.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if w, ok := c.(watched); ok {
		return context.WithValue(ctx, connKey{}, w)
	}
	return ctx // HTTP/2
}

func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.buffer != nil {
		n := c.scan(p[:copy(p, c.rest)])
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			c.release()
		}
		return n, nil
	}
	if err := c.err; err != nil {
		c.err = nil
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if scanned := c.scan(p[:n]); scanned < n {
		c.buffer = rests.Get().(*[]byte)
		*c.buffer = append((*c.buffer)[:0], p[scanned:n]...)
		c.rest, c.err = *c.buffer, err
		return scanned, nil
	}
	return n, err
}

// scan looks for fields in p, and returns how many of its bytes Read may return now.
func (c *conn) scan(p []byte) int {
	if c.inBody {
		for n := 0; n < len(p); {
			scanned, _ := c.next(p[n:])
			n += scanned
			c.carried |= c.lines.found
		}
		return len(p)
	}
	n, ended := c.next(p)
	if ended {
		c.ended, c.header, c.carried = true, c.carried|c.lines.found, 0
	}
	return n
}

func (c *conn) next(p []byte) (n int, ended bool) {
	n, ended = c.lines.next(p)
	if c.lines.found&hasCoding != 0 {
		c.coding.Store(true)
	}
	return n, ended
}

func (c *conn) release() {
	rests.Put(c.buffer)
	c.buffer, c.rest = nil, nil
}

// beginBody returns the fields of the request whose body is about to be read.
func (c *conn) beginBody() fields {
	found := c.carried
	if c.ended {
		found = c.header
	}
	c.inBody, c.ended = true, false
	return found
}

// sawCoding reports whether any request had Transfer-Encoding.
func (c *conn) sawCoding() bool { return c.coding.Load() }

// endRequest ends the request and its body.
func (c *conn) endRequest() { c.inBody = false }

// NetConn returns the underlying connection, like tls.Conn.NetConn.
func (c *conn) NetConn() net.Conn { return c.Conn }

// ReadFrom copies in the kernel if both sides are sockets.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// WriteTo copies everything that the client sends to w. It is called for hijacked connections, which have no more headers to watch.
func (c *conn) WriteTo(w io.Writer) (int64, error) {
	var first int64
	if c.buffer != nil {
		n, err := w.Write(c.rest)
		if err != nil {
			return int64(n), err
		}
		first = int64(n)
		c.release()
	}
	if c.err != nil {
		return first, nil // a socket never returns bytes and an error at once
	}
	n, err := io.Copy(w, c.Conn)
	return first + n, err
}
