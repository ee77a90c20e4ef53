//go:build !unix

package upstream

// receive cannot find out here whether the server has sent anything.
func (c *conn) receive(p []byte) (int, error) {
	if c.client == nil {
		return c.Conn.Read(p)
	}
	return c.flushAndRead(p)
}

type reading struct{}
