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
	ResponseTimeout time.Duration // time limit for the response header, from Request.Since or the end of Request.Stream
	StallTimeout    time.Duration // longest pause of a server while it reads a request body
	IdleTimeout     time.Duration // how long an idle connection is kept
	Drain           time.Duration // how long requests in flight may continue after Pool.Retire; negative: not at all
	Tick            time.Duration // interval between two calls of Advance

	clock  atomic.Int64
	ticked time.Time // argument of the last call of Advance
}

// Advance advances the clock of timeouts to now, but by at most two ticks. The bound is for a pause of this process: responses may have
// arrived meanwhile, and the process needs time to read them before it ends requests. Only one goroutine may call Advance.
func (t *Transport) Advance(now time.Time) {
	if !t.ticked.IsZero() {
		t.clock.Add(int64(min(now.Sub(t.ticked), 2*t.Tick)))
	}
	t.ticked = now
}

// Now returns the time of the clock of timeouts in nanoseconds. Only Advance changes the clock. The clock starts at 1, so that 0 can mean
// never.
func (t *Transport) Now() int64 { return t.clock.Load() + 1 }

// since returns the time that has passed since at, a value of Now. If at is 0, since returns 0. It subtracts one tick, because a value of
// Now may already be one tick old when Now returns it.
func (t *Transport) since(at int64) time.Duration {
	if at == 0 {
		return 0
	}
	return time.Duration(t.Now()-at) - t.Tick
}
