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

// readSize is how much of an answer is read at once, unless it is copied.
const readSize = 8 << 10

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

	kept      *[]byte   // what was read, while the header of an answer is
	doubtful  bool      // something of the answer may come after its end
	streaming *exchange // whose client gets what there is before a Read waits; nil: none
	reading   reading

	// current is the exchange that uses it. Who aborts the exchange takes it away, and says why.
	current atomic.Pointer[exchange]
	why     atomic.Pointer[error]
}

func newConn(c net.Conn, p *pool) *conn {
	n := &conn{Conn: c, pool: p}
	if s, ok := c.(syscall.Conn); ok {
		n.raw, _ = s.SyscallConn()
	}
	n.r = bufio.NewReaderSize(n, readSize)
	n.w = bufio.NewWriterSize(c, 4<<10)
	return n
}

// begin gives the connection to x.
func (c *conn) begin(x *exchange) {
	c.budget, c.heard, c.doubtful = answerHeaderLimit, false, false
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
	n, err := c.receive(p)
	if c.kept != nil {
		*c.kept = append(*c.kept, p[:n]...)
	}
	c.budget -= int64(n)
	c.heard = c.heard || n > 0
	return n, err
}

// passOnAndRead is for connections that cannot tell whether a Read would wait.
func (c *conn) passOnAndRead(p []byte) (int, error) {
	if err := c.streaming.passOn(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// unbound is called when the header has been read.
func (c *conn) unbound() { c.budget = math.MaxInt64 }

// clean reports whether nothing of the exchange is left on the connection.
func (c *conn) clean() bool { return c.r.Buffered() == 0 && c.w.Flush() == nil }
