package proxy

import (
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// A client may send all of a body before it reads. If the connection were closed after an early answer, what the client still sends would have
// its kernel discard the answer. So the proxy reads on after the answer, as lingering_close of nginx does, within these bounds.
const (
	lingerTime  = 30 * time.Second
	lingerIdle  = 5 * time.Second // without a byte
	lingerBytes = 256 << 20
	lingerSlice = 250 * time.Millisecond // how soon lingering notices that the proxy stops
)

// readOnAfter has the client's connection end with this answer, and read on before it closes. Its result is false where the connection
// cannot, as in HTTP/2, where the end of the stream tells the client.
func (p *Proxy) readOnAfter(w http.ResponseWriter, r *http.Request) bool {
	c, ok := r.Context().Value(watchedKey{}).(watcher)
	if !ok || r.ProtoMajor != 1 {
		return false
	}
	closeAfter(w)
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // net/http need not read the rest of the body
	c.linger(&p.closing)
	return true
}

// linger has the next CloseWrite or Close read what the client still sends, for a short time once stopping is true.
func (w *watched) linger(stopping *atomic.Bool) { w.lingers.Store(stopping) }

// Close is called by the goroutine of the connection when its last answer has been written. Others call it to cut connections off, one
// after the other, while the proxy stops: then it does not wait.
func (w *watched) Close() error {
	if stopping := w.lingers.Load(); stopping != nil && stopping.Load() {
		w.lingers.Store(nil)
	}
	w.readOn()
	return w.Conn.Close()
}

// CloseWrite is for net/http, which then waits before it calls Close, and for tunnels.
func (w *watched) CloseWrite() error {
	var err error
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		err = half.CloseWrite()
	}
	w.readOn()
	return err
}

// readOn reads and discards if the connection lingers. Above TLS it reads what is below: nobody needs it decrypted.
func (w *watched) readOn() {
	stopping := w.lingers.Swap(nil)
	if stopping == nil {
		return
	}
	c := w.Conn
	for {
		if half, ok := c.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // the client sees the end of the answer
		}
		above, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = above.NetConn()
	}
	discard(c, stopping)
}

// discard reads from c until its end, or one of the bounds.
func discard(c net.Conn, stopping *atomic.Bool) {
	buffer := buffers.Get().(*[wholeLimit]byte)
	defer buffers.Put(buffer)
	now := time.Now()
	end, idle := now.Add(lingerTime), now.Add(lingerIdle)
	for total := 0; total < lingerBytes; {
		if stopping.Load() {
			end = earlier(end, now.Add(lingering))
		}
		if !now.Before(earlier(end, idle)) {
			return
		}
		_ = c.SetReadDeadline(earlier(now.Add(lingerSlice), earlier(end, idle)))
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
