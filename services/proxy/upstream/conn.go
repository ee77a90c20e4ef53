package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"syscall"
	"time"
)

// headerLimit bounds the header of a response, with everything that precedes it.
const headerLimit = 256 << 10

// readSize is how much of a response is read at once, unless it is copied.
const readSize = 8 << 10

// bufferSize is the size in bytes of the buffers for copying.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

var errAnswerHeader = errors.New("the header of the answer is too large")

// conn is a connection to a server. One request at a time uses it. The goroutine of the request reads, and writes unless an upload does.
type conn struct {
	net.Conn
	pool *Pool
	raw  syscall.RawConn // nil where the connection is no socket
	r    *bufio.Reader
	w    *bufio.Writer

	budget    int64     // bytes that may still be read
	received  bool      // a byte of the response was received
	reused    bool      // the connection has carried a request before
	idleSince time.Time // while it is in the pool

	kept     *[]byte // what was read, while the header of a response is
	doubtful bool    // bytes of the response may follow its end
	client   Client  // is flushed before a Read waits; nil: none is
	reading  reading
	response Response

	use use
}

func newConn(c net.Conn, p *Pool) *conn {
	n := &conn{Conn: c, pool: p}
	if s, ok := c.(syscall.Conn); ok {
		n.raw, _ = s.SyscallConn()
	}
	n.r = bufio.NewReaderSize(n, readSize)
	n.w = bufio.NewWriterSize(c, 4<<10)
	return n
}

// begin gives the connection to a request.
func (c *conn) begin(ctx context.Context, req *Request) {
	c.budget, c.received, c.doubtful = headerLimit, false, false
	c.use.begin(ctx, req.Repeatable)
}

// Read is for the bufio.Reader. It keeps the bound of a header.
func (c *conn) Read(p []byte) (int, error) {
	if c.budget <= 0 {
		return 0, errAnswerHeader
	}
	if int64(len(p)) > c.budget {
		p = p[:c.budget]
	}
	n, err := c.receive(p)
	if c.kept != nil {
		*c.kept = append(*c.kept, p[:n]...)
	}
	c.budget -= int64(n)
	c.received = c.received || n > 0
	return n, err
}

// flushClient sends the client what there is before a Read waits.
func (c *conn) flushClient() error {
	if err := c.client.Flush(); err != nil {
		return clientError{err}
	}
	return nil
}

// flushAndRead is for connections that cannot tell whether a Read would wait.
func (c *conn) flushAndRead(p []byte) (int, error) {
	if err := c.flushClient(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// unbound is called when the header has been read.
func (c *conn) unbound() { c.budget = math.MaxInt64 }

// clean reports whether nothing of the request or its response is left in the buffers.
func (c *conn) clean() bool { return c.r.Buffered() == 0 && c.w.Flush() == nil }

// join returns an error that is both, with the text of both.
func join(err, detail error) error { return fmt.Errorf("%w: %w", err, detail) }
