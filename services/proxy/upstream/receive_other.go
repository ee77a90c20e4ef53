//go:build !unix

package upstream

// receive cannot check on this system whether a read would wait.
func (c *conn) receive(p []byte) (int, error) {
	if c.client == nil {
		return c.Conn.Read(p)
	}
	return c.flushAndRead(p)
}

type reading struct{}
