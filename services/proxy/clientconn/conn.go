package clientconn

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// conn is a connection of a client that speaks HTTP/1. It finds Content-Length and Transfer-Encoding in the bytes that Read returns,
// because net/http hides them from handlers: net/http removes Content-Length if the request also has Transfer-Encoding, and removes
// Transfer-Encoding from a request of HTTP/1.0.
//
// conn must know which bytes are the header of the request that a handler gets. Therefore Read returns no byte after the end of a header,
// and keeps further bytes for the next Read. net/http has then buffered nothing when the handler begins, and the last header that Read
// returned belongs to the handler's request. While a body is read, Read returns everything, so that the next header may be among the bytes
// of the body. conn then assumes that the next header has all fields that were found in these bytes.
//
// net/http calls Read from one goroutine at a time, and never during beginBody or endRequest.
type conn struct {
	net.Conn
	lines   headerLines
	inBody  bool   // a request with a body is being handled
	ended   bool   // a header has ended since the last beginBody
	header  fields // fields of the header that ended last
	carried fields // fields that were found during a body, and may belong to the next header

	rest   []byte  // received, but not yet returned by Read
	buffer *[]byte // holds rest
	err    error   // error that Read returns after rest

	coding  atomic.Bool                 // Transfer-Encoding was found in any request
	lingers atomic.Pointer[atomic.Bool] // points to whether the proxy is stopping; nil: the connection does not linger
}

// rests are the buffers of conn.rest. They have the size of net/http's reads.
var rests = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// withConn is the function http.Server.ConnContext. It makes the connection available to connOf.
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

// scan looks for fields in p, and returns how many bytes of p Read may return now.
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

// sawCoding reports whether any request on the connection had Transfer-Encoding.
func (c *conn) sawCoding() bool { return c.coding.Load() }

// endRequest ends the request and its body.
func (c *conn) endRequest() { c.inBody = false }

// NetConn returns the underlying connection, like tls.Conn.NetConn.
func (c *conn) NetConn() net.Conn { return c.Conn }

// ReadFrom copies in the kernel if both sides are sockets.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// WriteTo copies everything that the client sends to w. io.Copy calls it for hijacked connections, in which no more headers need to be
// found.
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
		return first, nil // cannot happen: c.err is set only if bytes and an error are read at once, which a socket never does
	}
	n, err := io.Copy(w, c.Conn)
	return first + n, err
}
