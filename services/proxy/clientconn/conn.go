package clientconn

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
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
	socket  syscall.RawConn // nil if the connection is not a plain socket
	lines   headerLines
	inBody  bool   // a request with a body is being handled
	ended   bool   // the end of a header was found since the last call of beginBody
	header  fields // fields of the last header whose end was found
	carried fields // fields that were found among the bytes of a body; they may belong to the next header

	rest   []byte  // bytes that were received, but that Read has not yet returned
	buffer *[]byte // array of conn.rest, from the pool rests; nil if conn.rest is empty
	err    error   // error that Read returns after it has returned all of conn.rest

	coding  atomic.Bool                 // a request on the connection had Transfer-Encoding
	lingers atomic.Pointer[atomic.Bool] // points to a flag that is true while the proxy is stopping; nil: the connection does not linger

	cork cork

	unwatched atomic.Bool // net/http will not notice that the client closes the connection (see isWatch)
}

func newConn(c net.Conn) *conn { return &conn{Conn: c, socket: socketOf(c)} }

// bufferSize is the size in bytes of net/http's reads and short writes.
const bufferSize = 4 << 10

// rests is the pool of the buffers for conn.rest and cork.held.
var rests = sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}

// withConn is for http.Server.ConnContext: it stores the connection in the context, where connOf finds it.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if w, ok := c.(watched); ok {
		return context.WithValue(ctx, connKey{}, w)
	}
	return ctx // fields of HTTP/2 connections are not watched
}

func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.isWatch(p) {
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

// scan looks for header fields in received bytes, and returns how many of these bytes Read may return now: during a body all of them,
// otherwise only those up to the end of the header.
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

// beginBody must be called before the body of a request is read. It returns which of Content-Length and Transfer-Encoding the request may
// have.
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

// endRequest records that net/http does not handle a request any more. Read then looks for the end of a header again.
func (c *conn) endRequest() {
	c.inBody, c.ended = false, false
	c.unwatched.Store(false)
}

// NetConn returns the underlying connection, like tls.Conn.NetConn.
func (c *conn) NetConn() net.Conn { return c.Conn }

// ReadFrom copies everything from r to the client. If r and the connection are sockets, the kernel copies.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// WriteTo copies to w everything that the client sends. io.Copy calls WriteTo for a hijacked connection, on which no more headers need to
// be found.
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
