package upstream

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// Transport has the settings and the clock that all pools share. Every exported field must be set before the first use.
type Transport struct {
	Dial            func(ctx context.Context, addr string) (net.Conn, error)
	ConnectTimeout  time.Duration
	ResponseTimeout time.Duration // from Request.Since until the response header is received
	StallTimeout    time.Duration // longest pause of a server while it reads a request body
	IdleTimeout     time.Duration // how long an idle connection is kept
	Drain           time.Duration // how long requests in flight may continue after Pool.Retire; negative: not at all
	Tick            time.Duration // interval between two calls of Advance

	clock  atomic.Int64
	ticked time.Time // argument of the last Advance
}

// Advance advances the clock of timeouts to now, but by at most two ticks. If this process was paused, responses may have arrived
// meanwhile, and this process needs time to read them before it ends requests. Only one goroutine may call Advance.
func (t *Transport) Advance(now time.Time) {
	if !t.ticked.IsZero() {
		t.clock.Add(int64(min(now.Sub(t.ticked), 2*t.Tick)))
	}
	t.ticked = now
}

// Now returns the clock of timeouts in nanoseconds. It changes only with Advance. It starts at 1, so that 0 can mean never.
func (t *Transport) Now() int64 { return t.clock.Load() + 1 }

// since returns the time since at, or 0 if at is 0. It subtracts one tick, because a value of Now may be one tick old when it is taken.
func (t *Transport) since(at int64) time.Duration {
	if at == 0 {
		return 0
	}
	return time.Duration(t.Now()-at) - t.Tick
}
