package upstream

import (
	"context"
	"sync"
	"time"
)

// use is the part of the state of a request that several goroutines access: the goroutine of the request, the goroutine of its upload, and
// the goroutine that calls Pool.Sweep. Times are values of Transport.Now; 0 means that the timeout is not running.
type use struct {
	mu         sync.Mutex
	ctx        context.Context // context of the request; nil: no request uses the connection, or abort was called
	client     Client          // Request.Client
	repeatable bool            // Request.Repeatable
	responded  bool            // reading of the response header has ended
	awaited    int64           // start of the response timeout
	writing    int64           // start of the stall timeout
	ended      error           // why the request was aborted, or nil
}

func (u *use) begin(ctx context.Context, req *Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ctx, u.client, u.repeatable, u.responded, u.awaited, u.writing = ctx, req.Client, req.Repeatable, false, 0, 0
}

// await ends the stall timeout. It also starts the response timeout at the given time, unless reading of the response header has ended.
func (u *use) await(at int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writing = 0
	if !u.responded {
		u.awaited = at
	}
}

// respond records that reading of the response header has ended, with or without success.
func (u *use) respond() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.responded, u.awaited = true, 0
}

// write starts the stall timeout at the given time. If the time is 0, write ends the stall timeout.
func (u *use) write(at int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writing = at
}

// release ends the use of the connection by the request. It returns false if the request was aborted. The connection must then be closed.
func (u *use) release() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	used := u.ctx != nil
	u.ctx, u.client = nil, nil
	return used
}

// reason returns why the request was aborted, or nil.
func (u *use) reason() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended
}

// overdue returns why the request must end, or nil. retired is the time when the server left, or zero. The caller must hold use.mu.
func (u *use) overdue(t *Transport, now, retired time.Time) error {
	switch {
	case u.ctx.Err() != nil, u.client.Gone():
		return ErrClientGone
	case t.since(u.awaited) > t.ResponseTimeout, t.since(u.writing) > t.StallTimeout:
		return ErrLate
	case !retired.IsZero() && now.Sub(retired) > max(0, t.Drain):
		return ErrDrained
	}
	return nil
}

// orphaned returns ErrDead if the request waits for a response and may be repeated. The caller must hold use.mu.
func (u *use) orphaned() error {
	if u.awaited != 0 && u.repeatable {
		return ErrDead
	}
	return nil
}

// abort ends the request that uses the connection. If no request uses it, abort does nothing.
func (c *conn) abort(why error) { c.abortIf(func(*use) error { return why }) }

// abortIf ends the request that uses the connection if check returns an error. Reads and writes then fail, and the goroutine of the request
// closes the connection.
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
