//go:build !unix

package upstream

// alive reports whether no byte is left in the buffer. On this system it cannot check the socket: a request on a connection that the server
// has closed fails.
func (c *conn) alive() bool { return c.r.Buffered() == 0 }
