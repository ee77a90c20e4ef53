package clientconn

import (
	"context"
	"net/http"
	"time"
)

// While a handler runs, net/http waits for a byte from the client in a goroutine of its own, and ends the context of the request when the
// client closes the connection. For each request this costs a goroutine, a read that fails, and three deadlines. Most requests end within
// milliseconds, so Read ends the wait of net/http at once, and the proxy asks Gone about the requests that take longer.

// isWatch reports whether Read is called by the goroutine of net/http that waits for the client to close the connection. It reports true
// once for a request, and only for a request without a body. If it were wrong, nothing would be lost: whoever called Read would get no byte
// and no error, and call Read again.
func (c *conn) isWatch(p []byte) bool {
	return len(p) == 1 && c.socket != nil && c.ended && c.header == 0 && c.unwatched.CompareAndSwap(false, true)
}

// gone reports whether the client has closed the connection during a request, and net/http has not noticed it.
func (c *conn) gone() bool { return c.unwatched.Load() && isClosed(c.socket) }

// Gone reports whether the client has closed the connection while the request r is handled, unless the context of r ends in this case. It
// needs a system call. It does not block, and any goroutine may call it.
func Gone(r *http.Request) bool {
	c, ok := connOf(r)
	return ok && c.gone()
}

// Watch returns a context that ends with the context of r, and within the given interval after the client has closed the connection. It is
// for handlers that know nothing of Gone. The caller must call the returned function when the request has ended.
func Watch(r *http.Request, interval time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		ticks := time.NewTicker(interval)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				if Gone(r) {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}
