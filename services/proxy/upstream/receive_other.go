//go:build !unix

package upstream

// receive reads from the connection. On this system it cannot check whether a read would wait, so it flushes the client before every read.
func (c *conn) receive(p []byte) (int, error) {
	if c.client == nil {
		return c.Conn.Read(p)
	}
	return c.flushAndRead(p)
}

type reading struct{}
