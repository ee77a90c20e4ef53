//go:build unix

package upstream

import "syscall"

// alive reports whether an idle connection is usable, as far as this host knows: the server has neither closed it nor sent anything on it.
func (c *conn) alive() bool {
	if c.r.Buffered() > 0 {
		return false
	}
	if c.raw == nil {
		return true
	}
	if c.reading.peek == nil {
		c.reading.peek = c.peek // set only once per connection, because a method value allocates
	}
	c.reading.quiet = false
	return c.raw.Control(c.reading.peek) == nil && c.reading.quiet
}

// peek sets reading.quiet, which tells whether a read would have to wait.
func (c *conn) peek(fd uintptr) {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	c.reading.quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
}
