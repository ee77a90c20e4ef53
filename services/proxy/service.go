package proxy

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// service is the servers of one name, and what the proxy knows of them.
type service struct {
	p        *Proxy
	name     string
	label    string // in metrics
	balancer *balancer.Balancer
	keyed    bool // the policy uses keys
	budget   budget
	metrics  func() *serviceMetrics // made with the first request
	inFlight atomic.Int64
	pools    sync.Map // *pool by server id, of servers that were sent requests

	// Of Run's goroutine:
	members  []*events.Server // as last told
	neededAt time.Time        // when something was there last

	closed  atomic.Bool // no connections any more
	mu      sync.Mutex
	retired []*pool // of servers that left, until nothing is open
}

func (p *Proxy) newService(name string) (*service, error) {
	cfg := p.cfg.Balancer
	cfg.Policy = p.policyOf(name)
	b, err := balancer.New(cfg)
	if err != nil {
		return nil, err
	}
	value := p.metrics.labels.Of(name)
	s := &service{
		p: p, name: name, label: value, balancer: b, budget: budget{RetryBudget: p.cfg.RetryBudget},
		keyed:   cfg.Policy == balancer.Hash,
		metrics: sync.OnceValue(func() *serviceMetrics { return p.metrics.service(value) }),
	}
	s.budget.move(p.second())
	return s, nil
}

// pool is the connections to a server, made with its first request.
func (s *service) pool(e *balancer.Endpoint) *pool {
	id := e.Server().ID
	for {
		known, ok := s.pools.Load(id)
		if !ok {
			known, _ = s.pools.LoadOrStore(id, newPool(s.p, e.Server()))
		}
		l := known.(*pool)
		current := l.is(e.Server()) // asked after l was found, or the pool of a newer server would be taken for an older one
		if !current || s.closed.Load() {
			s.retire(l, time.Now(), false) // it moved, or was restarted, a moment ago
		}
		if current {
			return l
		}
	}
}

// retire takes a pool out of use. dead tells that its server was found dead.
func (s *service) retire(l *pool, now time.Time, dead bool) {
	l.retire(now, dead)
	if s.pools.CompareAndDelete(l.id, l) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.retired = append(s.retired, l)
	}
}

// update takes the membership of the service, in order of id.
func (s *service) update(members []*events.Server, now time.Time) {
	if slices.Equal(members, s.members) {
		return
	}
	before := s.members
	s.members = members
	s.balancer.Update(members, now)
	s.eachPool(func(l *pool) {
		if m := byID(members, l.id); m != nil && l.is(m) {
			return
		}
		// Who leaves was alive until then; who is found dead was suspect.
		was := byID(before, l.id)
		s.retire(l, now, was != nil && was.State == events.StateSuspect)
	})
}

// byID finds a server among those of a service, which are in order of id; nil if it is not there.
func byID(members []*events.Server, id string) *events.Server {
	i, found := slices.BinarySearchFunc(members, id, func(m *events.Server, id string) int { return strings.Compare(m.ID, id) })
	if !found {
		return nil
	}
	return members[i]
}

// sweep moves time on: in the balancer, in the budget, and for every exchange.
func (s *service) sweep(now time.Time) {
	s.balancer.Tick(now)
	s.budget.move(s.p.second())
	s.eachPool(func(l *pool) {
		m := byID(s.members, l.id)
		left := m == nil || !l.is(m) // a request that chose it just before made the pool anew
		if !l.sweep(now) && l.unused(now) || left {
			s.retire(l, now, false)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = slices.DeleteFunc(s.retired, func(l *pool) bool { return !l.sweep(now) })
}

// forgetAfter is for how long a service without servers is remembered: its only server may come back, and what is known of it counts.
const forgetAfter = time.Minute

// forgettable reports whether the service may go: nothing is left of it, and has not been for a while.
func (s *service) forgettable(now time.Time) bool {
	if !s.empty() {
		s.neededAt = now
	}
	return now.Sub(s.neededAt) > forgetAfter
}

// empty reports whether nothing is left of the service.
func (s *service) empty() bool {
	if len(s.members) > 0 || s.inFlight.Load() != 0 {
		return false
	}
	pools := 0 // a request that had chosen a server just before that left made one
	s.eachPool(func(*pool) { pools++ })
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.retired) == 0 && pools == 0
}

// cut ends every exchange, websockets too.
func (s *service) cut() {
	s.eachPool((*pool).cut)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.retired {
		l.cut()
	}
}

// close ends every connection, for good.
func (s *service) close(now time.Time) {
	s.closed.Store(true)
	s.eachPool(func(l *pool) { s.retire(l, now, false) })
	s.cut()
}

// connections counts those that are open.
func (s *service) connections() int {
	n := 0
	s.eachPool(func(l *pool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		n += len(l.open)
	})
	return n
}

// eachPool calls f with the pool of each server that is here.
func (s *service) eachPool(f func(*pool)) {
	s.pools.Range(func(_, l any) bool {
		f(l.(*pool))
		return true
	})
}
