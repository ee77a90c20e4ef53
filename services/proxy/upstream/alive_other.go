//go:build !unix

package upstream

// alive cannot check the socket on this system. A request on a connection that the server has closed fails.
func (c *conn) alive() bool { return c.r.Buffered() == 0 }
