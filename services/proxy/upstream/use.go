package upstream

import (
	"context"
	"sync"
	"time"
)

// use is the request that uses a connection, as far as other goroutines see it: the sweep of the pool, which ends requests that are
// overdue, and the goroutine of an upload. Times are Transport.Now; 0 means that the server is not waited for.
type use struct {
	mu         sync.Mutex
	ctx        context.Context // of the request; nil: no request uses the connection
	repeatable bool
	responded  bool  // the header of the response was received, or will not be
	awaited    int64 // start of the response timeout
	taking     int64 // since when the server takes nothing of a part of the body
	ended      error // why another goroutine ended the request
}

func (u *use) begin(ctx context.Context, repeatable bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ctx, u.repeatable, u.responded, u.awaited, u.taking = ctx, repeatable, false, 0, 0
}

// await starts the response timeout at the given time, unless there is a response.
func (u *use) await(at int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.taking = 0
	if !u.responded {
		u.awaited = at
	}
}

// respond ends the response timeout.
func (u *use) respond() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.responded, u.awaited = true, 0
}

// take starts the stall timeout of a part of the body at the given time; 0 ends it.
func (u *use) take(at int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.taking = at
}

// release ends the use. It reports false if abort did before.
func (u *use) release() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	used := u.ctx != nil
	u.ctx = nil
	return used
}

// reason returns the argument of abort, or nil.
func (u *use) reason() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended
}

// overdue returns why the request must end, or nil. retired is when its server left, or zero. The caller holds mu.
func (u *use) overdue(t *Transport, now, retired time.Time) error {
	switch {
	case u.ctx.Err() != nil:
		return ErrClientGone
	case t.since(u.awaited) > t.ResponseTimeout, t.since(u.taking) > t.StallTimeout:
		return ErrLate
	case !retired.IsZero() && now.Sub(retired) > max(0, t.Drain):
		return ErrDrained
	}
	return nil
}

// orphaned returns ErrDead if the request waits for a response and may be repeated. The caller holds mu.
func (u *use) orphaned() error {
	if u.awaited != 0 && u.repeatable {
		return ErrDead
	}
	return nil
}

// abort ends the request that uses the connection, if any.
func (c *conn) abort(why error) { c.abortIf(func(*use) error { return why }) }

// abortIf ends the request that uses the connection if check returns an error: reads and writes fail from now on. The goroutine of the
// request closes the connection.
func (c *conn) abortIf(check func(*use) error) {
	u := &c.use
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ctx == nil {
		return
	}
	if why := check(u); why != nil {
		u.ctx, u.ended = nil, why
		_ = c.SetDeadline(time.Unix(1, 0))
	}
}
