package upstream

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// Transport has the settings and the clock that all pools share. Every exported field must be set.
type Transport struct {
	Dial            func(ctx context.Context, addr string) (net.Conn, error)
	ConnectTimeout  time.Duration
	ResponseTimeout time.Duration // from Request.Since until the header of the response
	StallTimeout    time.Duration // for which a server may take nothing of a body
	IdleTimeout     time.Duration // for which a connection is kept without a request
	Drain           time.Duration // for which requests go on after Pool.Retire
	Tick            time.Duration // between two calls of Advance

	clock  atomic.Int64
	ticked time.Time // of the last Advance
}

// Advance moves the clock of timeouts to now. The clock does not count pauses of this process: a response that came meanwhile may be
// unread. Advance is for one goroutine.
func (t *Transport) Advance(now time.Time) {
	if !t.ticked.IsZero() {
		t.clock.Add(int64(min(now.Sub(t.ticked), 2*t.Tick)))
	}
	t.ticked = now
}

// Now returns the time of the last Advance in nanoseconds by the clock of timeouts, which starts at 1, so that 0 can mean never.
func (t *Transport) Now() int64 { return t.clock.Load() + 1 }

// since returns how long ago at was, and at least how long: Now is as old as the last tick. It is 0 if at is 0.
func (t *Transport) since(at int64) time.Duration {
	if at == 0 {
		return 0
	}
	return time.Duration(t.Now()-at) - t.Tick
}
