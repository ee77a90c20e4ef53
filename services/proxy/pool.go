package proxy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// maxIdle is how many connections to one server are kept without a request.
const maxIdle = 512

var errRetired = errors.New("the server has left")

// pool is the connections to one incarnation of a server at one address.
type pool struct {
	p           *Proxy
	id, addr    string // of the server
	incarnation int64

	mu      sync.Mutex
	idle    []*conn            // the one used last at the end
	open    map[*conn]struct{} // the idle ones too
	retired time.Time          // when the server went; zero: it is here
	usedAt  time.Time          // when a connection was opened or given back last

	answeredAt atomic.Int64 // when the server answered a request last, by Proxy.clock; 0: never
	late       atomic.Int32 // requests in a row that it did not answer in time, while it answered no other
	reportedAt atomic.Int64 // when the registry was last told something of the server, by Proxy.clock; 0: never
}

func newPool(p *Proxy, m *events.Server) *pool {
	return &pool{p: p, id: m.ID, addr: m.Addr, incarnation: m.Incarnation, open: make(map[*conn]struct{}), usedAt: time.Now()}
}

// is reports whether the connections are to m as it is now.
func (l *pool) is(m *events.Server) bool { return l.addr == m.Addr && l.incarnation == m.Incarnation }

// answered notes that the server answered a request at clock. The clock moves a few times a second, so that most answers write nothing.
func (l *pool) answered(clock int64) {
	if l.answeredAt.Load() != clock {
		l.answeredAt.Store(clock)
	}
}

// unused reports whether nobody has needed the pool for so long that it may go.
func (l *pool) unused(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) == 0 && now.Sub(l.usedAt) > l.p.cfg.IdleTimeout
}

// take returns an idle connection, or nil. One that the server has closed, or has sent something on, is not returned: what it sent
// would be taken for the next answer.
func (l *pool) take() *conn {
	for {
		l.mu.Lock()
		n := len(l.idle)
		if n == 0 {
			l.mu.Unlock()
			return nil
		}
		c := l.idle[n-1]
		l.idle[n-1] = nil
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		if !c.alive() {
			l.close(c)
			continue
		}
		c.reused = true
		return c
	}
}

// dial opens a connection within the connect timeout.
func (l *pool) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.p.cfg.ConnectTimeout)
	defer cancel()
	raw, err := l.p.cfg.Dial(ctx, l.addr)
	if err != nil {
		return nil, err
	}
	c := newConn(raw, l)
	l.mu.Lock()
	gone := !l.retired.IsZero()
	if !gone {
		l.open[c] = struct{}{}
		l.usedAt = time.Now()
	}
	l.mu.Unlock()
	if gone {
		_ = raw.Close()
		return nil, errRetired
	}
	return c, nil
}

// put keeps a connection for the next request.
func (l *pool) put(c *conn, now time.Time) {
	c.idleSince = now
	l.mu.Lock()
	l.usedAt = now
	kept := l.retired.IsZero() && len(l.idle) < maxIdle
	if kept {
		l.idle = append(l.idle, c)
	}
	l.mu.Unlock()
	if !kept {
		l.close(c)
	}
}

func (l *pool) close(c *conn) {
	l.mu.Lock()
	delete(l.open, c)
	l.mu.Unlock()
	_ = c.Conn.Close()
}

// retire closes what is idle; what is in use is closed when its exchange ends. Where the server did not leave but
// was found dead, exchanges that still wait for its answer and may be tried elsewhere are.
func (l *pool) retire(now time.Time, dead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retired.IsZero() {
		l.retired = now
	}
	l.dropIdle()
	if !dead {
		return
	}
	for c := range l.open {
		if x := c.current.Load(); x != nil && x.sentAt.Load() != 0 && x.replayable.Load() {
			c.abort(x, errDead)
		}
	}
}

// distrust closes what is idle: it may lead nowhere any more.
func (l *pool) distrust() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropIdle()
}

// dropIdle wants l.mu held.
func (l *pool) dropIdle() {
	for _, c := range l.idle {
		delete(l.open, c)
		_ = c.Conn.Close()
	}
	l.idle = nil
}

// sweep closes idle connections that are old, and ends exchanges that are overdue. It reports whether anything is open.
func (l *pool) sweep(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := 0
	for old < len(l.idle) && now.Sub(l.idle[old].idleSince) > l.p.cfg.IdleTimeout {
		delete(l.open, l.idle[old])
		_ = l.idle[old].Conn.Close()
		old++
	}
	l.idle = slices.Delete(l.idle, 0, old)
	for c := range l.open {
		if x := c.current.Load(); x != nil {
			if why := x.overdue(now, l.retired); why != nil {
				c.abort(x, why)
			}
		}
	}
	return len(l.open) > 0
}

// cut ends whatever is under way.
func (l *pool) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		if x := c.current.Load(); x != nil {
			c.abort(x, errDrained)
		}
	}
}
