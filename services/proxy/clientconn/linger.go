package clientconn

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A client may send its whole body before it reads the response. If the proxy sent a response early and closed the connection at once, the
// kernel would answer the rest of the body with a reset, and the client's kernel would discard the response. Therefore the proxy goes on to
// read after the response, within these bounds, as nginx does with lingering_close.
const (
	lingerTime  = 30 * time.Second
	lingerIdle  = 5 * time.Second // longest time without a byte from the client
	lingerBytes = 256 << 20
	lingerPoll  = 250 * time.Millisecond // longest time until a lingering connection notices that the proxy is stopping
)

// BriefLinger is how long the proxy goes on reading a body after an early response if a full linger is not possible: LingerAfter returned
// false, or the proxy is stopping.
const BriefLinger = 500 * time.Millisecond

// CloseAfter makes net/http close the client's connection after the response.
func CloseAfter(w http.ResponseWriter) { w.Header()["Connection"] = []string{"close"} }

// LingerAfter makes net/http close the client's connection after the response. Before the connection closes, the proxy reads what the
// client still sends; once stopping is true, the proxy reads only for BriefLinger. If the connection cannot linger, LingerAfter does
// nothing and returns false. A connection of HTTP/2 cannot linger, and need not: the proxy ends only the stream.
func LingerAfter(w http.ResponseWriter, r *http.Request, stopping *atomic.Bool) bool {
	c, ok := connOf(r)
	if !ok || r.ProtoMajor != 1 {
		return false
	}
	CloseAfter(w)
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // so that net/http does not read the rest of the body
	c.linger(stopping)
	return true
}

// linger makes the next CloseWrite or Close read what the client still sends.
func (c *conn) linger(stopping *atomic.Bool) { c.lingers.Store(stopping) }

// Close closes the connection. If LingerAfter was called, Close first reads what the client still sends. While the proxy is stopping, Close
// does not read: net/http then closes connections one after the other, so that the times of reading would add up.
func (c *conn) Close() error {
	if stopping := c.lingers.Load(); stopping != nil && stopping.Load() {
		c.lingers.Store(nil)
	}
	c.readOn()
	return c.Conn.Close()
}

// CloseWrite closes the sending side. If LingerAfter was called, CloseWrite then reads what the client still sends. net/http calls
// CloseWrite before Close, and websocket tunnels call it too.
func (c *conn) CloseWrite() error {
	var err error
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		err = half.CloseWrite()
	}
	c.readOn()
	return err
}

// readOn reads and discards what the client still sends, if LingerAfter was called. It reads below TLS, because the bytes need no
// decryption.
func (c *conn) readOn() {
	stopping := c.lingers.Swap(nil)
	if stopping == nil {
		return
	}
	raw := c.Conn
	for {
		if half, ok := raw.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // so that the client sees the end of the response
		}
		above, ok := raw.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		raw = above.NetConn()
	}
	discard(raw, stopping)
}

var discardBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// discard reads from c until the client closes the connection, or until a limit is reached: lingerTime, lingerIdle, lingerBytes, or
// BriefLinger once stopping is true.
func discard(c net.Conn, stopping *atomic.Bool) {
	buffer := discardBuffers.Get().(*[64 << 10]byte)
	defer discardBuffers.Put(buffer)
	now := time.Now()
	end, idle := now.Add(lingerTime), now.Add(lingerIdle)
	for total := 0; total < lingerBytes; {
		if stopping.Load() {
			end = earlier(end, now.Add(BriefLinger))
		}
		if !now.Before(earlier(end, idle)) {
			return
		}
		_ = c.SetReadDeadline(earlier(now.Add(lingerPoll), earlier(end, idle)))
		n, err := c.Read(buffer[:])
		now = time.Now()
		if n > 0 {
			total += n
			idle = now.Add(lingerIdle)
		}
		if err != nil && !isTimeout(err) {
			return
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error)
	return ok && t.Timeout()
}
