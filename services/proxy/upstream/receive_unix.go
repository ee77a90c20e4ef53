//go:build unix

package upstream

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// receive reads from the connection. If it must wait for the server, it flushes the client first.
func (c *conn) receive(p []byte) (int, error) {
	if c.client == nil || len(p) == 0 {
		return c.Conn.Read(p)
	}
	if c.raw == nil {
		return c.flushAndRead(p)
	}
	c.reading.p, c.reading.n, c.reading.err, c.reading.waited = p, 0, nil, false
	if c.reading.try == nil {
		c.reading.try = c.tryRead // set only once per connection, because a method value allocates
	}
	err := c.raw.Read(c.reading.try)
	c.reading.p = nil
	switch {
	case err != nil:
		return 0, err
	case c.reading.err != nil:
		return 0, c.reading.err
	case c.reading.n == 0:
		return 0, io.EOF
	}
	return c.reading.n, nil
}

// reading is the state of one call of receive or alive.
type reading struct {
	p      []byte
	n      int
	err    error
	waited bool // tryRead has flushed the client
	try    func(fd uintptr) bool

	peek  func(fd uintptr) // for alive
	quiet bool             // result of peek
}

// tryRead tries to read, and reports whether receive is done. If it returns false, the runtime calls it again when the socket is readable.
func (c *conn) tryRead(fd uintptr) bool {
	r := &c.reading
	for {
		n, err := syscall.Read(int(fd), r.p)
		switch {
		case err == nil:
			r.n = n
			return true
		case err == syscall.EINTR:
		case !errors.Is(err, syscall.EAGAIN):
			r.err = os.NewSyscallError("read", err)
			return true
		case r.waited:
			return false
		default:
			r.waited = true
			if r.err = c.flushClient(); r.err != nil {
				return true
			}
			return false
		}
	}
}
