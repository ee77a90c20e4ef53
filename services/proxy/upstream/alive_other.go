//go:build !unix

package upstream

// alive cannot look at the socket here: what the server has closed shows when it is used.
func (c *conn) alive() bool { return c.r.Buffered() == 0 }
