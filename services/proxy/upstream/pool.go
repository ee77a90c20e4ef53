package upstream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"rollcall/services/dial"
	"rollcall/services/registry"
)

// maxIdle is how many connections to one server are kept without a request.
const maxIdle = 512

// Pool has the connections to one server at one address. It is safe for concurrent use.
type Pool struct {
	t    *Transport
	addr string

	mu      sync.Mutex
	idle    []*conn            // the one used last at the end
	open    map[*conn]struct{} // the idle ones too
	retired time.Time          // when the server left; zero: it has not
	usedAt  time.Time          // when a connection was opened or given back last
}

// Pool returns a pool without connections. addr is an IP:port.
func (t *Transport) Pool(addr string) *Pool {
	return &Pool{t: t, addr: addr, open: make(map[*conn]struct{}), usedAt: time.Now()}
}

// Do sends a request and returns when the header of its response was received. The error is an *Error. If the end of ctx is the reason,
// Do returns with the next Sweep.
func (p *Pool) Do(ctx context.Context, req *Request) (*Response, error) {
	c := p.take()
	if c == nil {
		began := time.Now()
		var err error
		if c, err = p.dial(ctx); err != nil {
			return nil, p.unconnected(ctx, err, began)
		}
	}
	return c.do(ctx, req)
}

// unconnected classifies the error of a connection that was not made.
func (p *Pool) unconnected(ctx context.Context, err error, began time.Time) *Error {
	if ctx.Err() != nil {
		return &Error{Err: ErrClientGone, Fault: FaultClient}
	}
	e := &Error{Err: join(ErrConnect, err)}
	if errors.Is(err, ErrRetired) {
		return e
	}
	if found := dial.By(began.Add(p.t.ConnectTimeout), dial.Finding(err)); found != registry.FindingUnknown {
		e.Fault, e.Finding, e.Began = FaultServer, found, began
	}
	return e
}

// Unused reports whether no connection is open, and none was needed for the idle timeout.
func (p *Pool) Unused(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open) == 0 && now.Sub(p.usedAt) > p.t.IdleTimeout
}

// take returns an idle connection, or nil. One that the server has closed, or has sent something on, is not returned: what it sent
// would be taken for the next answer.
func (p *Pool) take() *conn {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		c := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if !c.alive() {
			p.close(c)
			continue
		}
		c.reused = true
		return c
	}
}

// dial opens a connection within the connect timeout.
func (p *Pool) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.t.ConnectTimeout)
	defer cancel()
	raw, err := p.t.Dial(ctx, p.addr)
	if err != nil {
		return nil, err
	}
	c := newConn(raw, p)
	p.mu.Lock()
	gone := !p.retired.IsZero()
	if !gone {
		p.open[c] = struct{}{}
		p.usedAt = time.Now()
	}
	p.mu.Unlock()
	if gone {
		_ = raw.Close()
		return nil, ErrRetired
	}
	return c, nil
}

// put keeps a connection for the next request.
func (p *Pool) put(c *conn) {
	now := time.Now()
	c.idleSince = now
	p.mu.Lock()
	p.usedAt = now
	kept := p.retired.IsZero() && len(p.idle) < maxIdle
	if kept {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !kept {
		p.close(c)
	}
}

func (p *Pool) close(c *conn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
	_ = c.Conn.Close()
}

// retire closes what is idle; what is in use is closed when its exchange ends. Where the server did not leave but
// was found dead, exchanges that still wait for its answer and may be tried elsewhere are.
func (p *Pool) Retire(now time.Time, dead bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired.IsZero() {
		p.retired = now
	}
	p.dropIdle()
	if !dead {
		return
	}
	for c := range p.open {
		c.abortIf((*use).orphaned)
	}
}

// distrust closes what is idle: it may lead nowhere any more.
func (p *Pool) CloseIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropIdle()
}

// dropIdle wants p.mu held.
func (p *Pool) dropIdle() {
	for _, c := range p.idle {
		delete(p.open, c)
		_ = c.Conn.Close()
	}
	p.idle = nil
}

// sweep closes idle connections that are old, and ends exchanges that are overdue. It reports whether anything is open.
func (p *Pool) Sweep(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := 0
	for old < len(p.idle) && now.Sub(p.idle[old].idleSince) > p.t.IdleTimeout {
		delete(p.open, p.idle[old])
		_ = p.idle[old].Conn.Close()
		old++
	}
	p.idle = slices.Delete(p.idle, 0, old)
	for c := range p.open {
		c.abortIf(func(u *use) error { return u.overdue(p.t, now, p.retired) })
	}
	return len(p.open) > 0
}

// cut ends whatever is under way.
func (p *Pool) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.abort(ErrDrained)
	}
}

// Connections returns the number of open connections, with the idle ones.
func (p *Pool) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}
