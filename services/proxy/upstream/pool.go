package upstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"rollcall/services/dial"
	"rollcall/services/registry"
)

// maxIdle is the limit of idle connections in a pool.
const maxIdle = 512

// Pool holds the connections to one server. It is safe for concurrent use.
type Pool struct {
	t    *Transport
	addr string

	mu      sync.Mutex
	idle    []*conn            // the last element is the most recently used connection
	open    map[*conn]struct{} // all connections, including idle ones
	retired time.Time          // time of the first call of Retire; zero before it
	usedAt  time.Time          // when a connection was last opened, or passed to put
}

// Pool returns a new pool for the server at addr, an IP:port.
func (t *Transport) Pool(addr string) *Pool {
	return &Pool{t: t, addr: addr, open: make(map[*conn]struct{}), usedAt: time.Now()}
}

// Do sends a request and blocks until the header of the response is received. The error is an *Error. After the end of ctx, and after the
// client has closed its connection, Do returns at the next Sweep.
func (p *Pool) Do(ctx context.Context, req *Request) (*Response, error) {
	c := p.take()
	if c == nil {
		began := time.Now()
		var err error
		if c, err = p.dial(ctx); err != nil {
			return nil, p.unconnected(ctx, req.Client, err, began)
		}
	}
	return c.do(ctx, req)
}

// unconnected returns the Error for a dial that failed with err.
func (p *Pool) unconnected(ctx context.Context, client Client, err error, began time.Time) *Error {
	if ctx.Err() != nil || client.Gone() {
		return &Error{Err: ErrClientGone, Fault: FaultClient}
	}
	e := &Error{Err: fmt.Errorf("%w: %w", ErrConnect, err)}
	if errors.Is(err, ErrRetired) {
		return e
	}
	if found := dial.By(began.Add(p.t.ConnectTimeout), dial.Finding(err)); found != registry.FindingUnknown {
		e.Fault, e.Finding, e.Began = FaultServer, found, began
	}
	return e
}

// Unused reports whether no connection is open, and the last use of a connection was longer ago than the idle timeout.
func (p *Pool) Unused(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open) == 0 && now.Sub(p.usedAt) > p.t.IdleTimeout
}

// take returns an idle connection, or nil if there is none. It closes connections that the server has closed. It also closes connections on
// which the server has sent bytes while they were idle, because the bytes would be read as the next response.
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
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.retired.IsZero() {
		_ = raw.Close()
		return nil, ErrRetired
	}
	c := newConn(raw, p)
	p.open[c] = struct{}{}
	p.usedAt = time.Now()
	return c, nil
}

// put makes a connection idle, so that another request can use it. If the pool is full or retired, put closes the connection.
func (p *Pool) put(c *conn) {
	now := time.Now()
	c.idleSince = now
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usedAt = now
	if p.retired.IsZero() && len(p.idle) < maxIdle {
		p.idle = append(p.idle, c)
		return
	}
	delete(p.open, c)
	_ = c.Conn.Close()
}

func (p *Pool) close(c *conn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
	_ = c.Conn.Close()
}

// Retire closes idle connections at once, and every other connection after its request. After Retire, Do fails with ErrRetired. If dead is
// true, requests that wait for a response and may be repeated end at once with ErrDead.
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

// CloseIdle closes all idle connections.
func (p *Pool) CloseIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropIdle()
}

// dropIdle closes all idle connections. The caller must hold p.mu.
func (p *Pool) dropIdle() {
	for _, c := range p.idle {
		delete(p.open, c)
		_ = c.Conn.Close()
	}
	p.idle = nil
}

// Sweep closes connections that have been idle for longer than the idle timeout, and ends requests that exceed a timeout, whose context has
// ended, or whose client is gone. It reports whether any connection is open.
func (p *Pool) Sweep(now time.Time) bool {
	retired, inUse, open := p.dropOld(now)
	for _, c := range inUse {
		c.abortIf(func(u *use) error { return u.overdue(p.t, now, retired) })
	}
	return open
}

// dropOld closes connections that have been idle for longer than the idle timeout. It returns when the pool was retired, the connections
// that may be in use, and whether any connection is open. The caller must look at the connections in use without holding p.mu, because
// Client.Gone needs a system call.
func (p *Pool) dropOld(now time.Time) (retired time.Time, inUse []*conn, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := 0
	for old < len(p.idle) && now.Sub(p.idle[old].idleSince) > p.t.IdleTimeout {
		delete(p.open, p.idle[old])
		_ = p.idle[old].Conn.Close()
		old++
	}
	p.idle = slices.Delete(p.idle, 0, old)
	if len(p.open) > len(p.idle) {
		inUse = slices.Collect(maps.Keys(p.open))
	}
	return p.retired, inUse, len(p.open) > 0
}

// Cut ends all requests in flight with ErrDrained.
func (p *Pool) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.abort(ErrDrained)
	}
}

// Connections returns the number of open connections, including idle ones.
func (p *Pool) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}
