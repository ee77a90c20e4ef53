package clientconn

import (
	"net"
	"net/http"
)

// net/http writes a response through a buffer of 4 KiB: the header and the beginning of the body in one write, and the rest of the body in
// further writes. Each write costs as much as copying 64 KiB. While a connection is corked, a short write waits for the next one, and both
// are sent by one system call.

// cork is the state of a corked connection. Only the goroutine of the handler uses it.
type cork struct {
	closed bool
	held   *[]byte // bytes that are not sent yet, from the pool rests; nil: none
	array  [2][]byte
	pieces net.Buffers
}

// Cork makes short writes to the client of r wait for the next write. If Cork returns true, the caller must call Uncork soon. Cork returns
// false and does nothing if the connection is not a plain socket.
func Cork(r *http.Request) bool {
	c, ok := connOf(r)
	return ok && c.setCork()
}

// Uncork ends the effect of Cork, and sends what waits.
func Uncork(r *http.Request) error {
	if c, ok := connOf(r); ok {
		return c.uncork()
	}
	return nil
}

func (c *conn) setCork() bool {
	c.cork.closed = c.socket != nil
	return c.cork.closed
}

func (c *conn) uncork() error {
	c.cork.closed = false
	if c.cork.held == nil {
		return nil
	}
	_, err := c.writeHeld(nil)
	return err
}

// Write implements net.Conn. While the connection is corked, it may keep p until the next write.
func (c *conn) Write(p []byte) (int, error) {
	k := &c.cork
	switch {
	case k.held != nil:
		return c.writeHeld(p)
	case k.closed && len(p) <= bufferSize:
		k.held = rests.Get().(*[]byte)
		*k.held = append((*k.held)[:0], p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// writeHeld sends the held bytes and p by one system call. It returns how many bytes of p were sent.
func (c *conn) writeHeld(p []byte) (int, error) {
	k := &c.cork
	held := len(*k.held)
	k.array = [2][]byte{*k.held, p}
	k.pieces = k.array[:]
	n, err := k.pieces.WriteTo(c.Conn)
	k.array = [2][]byte{}
	rests.Put(k.held)
	k.held = nil
	return max(0, int(n)-held), err
}
