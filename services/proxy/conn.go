package proxy

import (
	"bufio"
	"errors"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// answerHeaderLimit bounds the header of an answer, and of everything that precedes it.
const answerHeaderLimit = 256 << 10

var errAnswerHeader = errors.New("the header of the answer is too large")

// conn is a connection to a data server. One exchange at a time uses it, and reads and writes it in its own goroutines.
type conn struct {
	net.Conn
	pool *pool
	raw  syscall.RawConn // nil where the connection is no socket
	r    *bufio.Reader
	w    *bufio.Writer

	budget    int64     // bytes that may still be read
	heard     bool      // a byte of the answer has come
	reused    bool      // it has carried an exchange before
	idleSince time.Time // while it is in the pool

	// current is the exchange that uses it. Who aborts the exchange takes it away, and says why.
	current atomic.Pointer[exchange]
	why     atomic.Pointer[error]
}

func newConn(c net.Conn, p *pool) *conn {
	n := &conn{Conn: c, pool: p}
	if s, ok := c.(syscall.Conn); ok {
		n.raw, _ = s.SyscallConn()
	}
	n.r = bufio.NewReaderSize(n, 8<<10)
	n.w = bufio.NewWriterSize(c, 4<<10)
	return n
}

// begin gives the connection to x.
func (c *conn) begin(x *exchange) {
	c.budget, c.heard = answerHeaderLimit, false
	c.current.Store(x)
}

// release takes the connection back from x, and reports whether it is as it was: not if it was aborted.
func (c *conn) release(x *exchange) bool { return c.current.CompareAndSwap(x, nil) }

// abort ends what x waits for on this connection. It does nothing if x is done with it.
func (c *conn) abort(x *exchange, why error) {
	if c.current.CompareAndSwap(x, nil) {
		c.why.Store(&why)
		_ = c.SetDeadline(time.Unix(1, 0)) // x closes it
	}
}

// aborted is why the exchange was ended by another one than its own goroutine, or nil.
func (c *conn) aborted() error {
	if why := c.why.Load(); why != nil {
		return *why
	}
	return nil
}

// Read is for the bufio.Reader: it keeps the bounds of a header and tells whether anything came.
func (c *conn) Read(p []byte) (int, error) {
	if c.budget <= 0 {
		return 0, errAnswerHeader
	}
	if int64(len(p)) > c.budget {
		p = p[:c.budget]
	}
	n, err := c.Conn.Read(p)
	c.budget -= int64(n)
	c.heard = c.heard || n > 0
	return n, err
}

// unbound is called when the header has been read.
func (c *conn) unbound() { c.budget = math.MaxInt64 }

// clean reports whether nothing of the exchange is left on the connection.
func (c *conn) clean() bool { return c.r.Buffered() == 0 && c.w.Flush() == nil }
