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
	p         *Proxy
	name      string
	label     string // in metrics
	balancer  *balancer.Balancer
	keyed     bool // the policy uses keys
	budget    budget
	metrics   func() *serviceMetrics // made with the first request
	inFlight  atomic.Int64
	instances sync.Map // *instance by server id, of servers that were sent requests

	// Of Run's goroutine:
	members  []*events.Server // as last told
	neededAt time.Time        // when something was there last

	closed  atomic.Bool // no connections any more
	mu      sync.Mutex
	retired []*instance // of servers that left, until nothing is open
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
		p: p, name: name, label: value, balancer: b, budget: budget{Retry: p.cfg.Retry},
		keyed:   cfg.Policy == balancer.Hash,
		metrics: sync.OnceValue(func() *serviceMetrics { return p.metrics.service(value) }),
	}
	s.budget.move(p.second())
	return s, nil
}

// instance returns the instance of a server, which its first request makes.
func (s *service) instance(e *balancer.Endpoint) *instance {
	id := e.Server().ID
	for {
		known, ok := s.instances.Load(id)
		if !ok {
			known, _ = s.instances.LoadOrStore(id, s.newInstance(e.Server()))
		}
		in := known.(*instance)
		current := in.is(e.Server()) // asked after in was found, or the pool of a newer server would be taken for an older one
		if !current || s.closed.Load() {
			s.retire(in, time.Now(), false) // it moved, or was restarted, a moment ago
		}
		if current {
			return in
		}
	}
}

// retire takes a pool out of use. dead tells that its server was found dead.
func (s *service) retire(in *instance, now time.Time, dead bool) {
	in.Retire(now, dead)
	if s.instances.CompareAndDelete(in.id, in) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.retired = append(s.retired, in)
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
	s.eachInstance(func(in *instance) {
		if m := byID(members, in.id); m != nil && in.is(m) {
			return
		}
		// Who leaves was alive until then; who is found dead was suspect.
		was := byID(before, in.id)
		s.retire(in, now, was != nil && was.State == events.StateSuspect)
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
	s.eachInstance(func(in *instance) {
		m := byID(s.members, in.id)
		left := m == nil || !in.is(m) // a request that chose it just before made the pool anew
		if !in.Sweep(now) && in.Unused(now) || left {
			s.retire(in, now, false)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = slices.DeleteFunc(s.retired, func(in *instance) bool { return !in.Sweep(now) })
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
	s.eachInstance(func(*instance) { pools++ })
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.retired) == 0 && pools == 0
}

// cut ends every exchange, websockets too.
func (s *service) cut() {
	s.eachInstance((*instance).Cut)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.retired {
		in.Cut()
	}
}

// close ends every connection, for good.
func (s *service) close(now time.Time) {
	s.closed.Store(true)
	s.eachInstance(func(in *instance) { s.retire(in, now, false) })
	s.cut()
}

// connections counts those that are open.
func (s *service) connections() int {
	n := 0
	s.eachInstance(func(in *instance) {
		n += in.Connections()
	})
	return n
}

// eachInstance calls f with the pool of each server that is here.
func (s *service) eachInstance(f func(*instance)) {
	s.instances.Range(func(_, in any) bool {
		f(in.(*instance))
		return true
	})
}
