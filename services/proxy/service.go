package proxy

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/registry"
)

// service is the state of the proxy for one service.
type service struct {
	p         *Proxy
	name      string
	label     string // value of the label "service" in metrics
	balancer  *balancer.Balancer
	keyed     bool // the policy is "hash", which needs the key of each request
	budget    budget
	metrics   func() *serviceMetrics // created by the first request
	inFlight  atomic.Int64
	instances sync.Map // *instance by server id; the first request to a server creates its instance

	// Only for the goroutine of Run:
	members  *registry.Service // this service in the last membership; nil if it had no servers
	servers  []*events.Server  // the servers of members, sorted by id
	neededAt time.Time         // when forgettable last found that the service was not empty

	closed  atomic.Bool // close was called
	mu      sync.Mutex
	retired []*instance // instances of servers that have left, moved or restarted, and whose connections are still open
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

// instance returns the instance of a server. The first request to the server creates it.
func (s *service) instance(e *balancer.Endpoint) *instance {
	id := e.Server().ID
	for {
		known, ok := s.instances.Load(id)
		if !ok {
			known, _ = s.instances.LoadOrStore(id, s.newInstance(e.Server()))
		}
		in := known.(*instance)
		current := in.is(e.Server()) // a server that was read before the lookup could be older than the instance
		if !current || s.closed.Load() {
			s.retire(in, time.Now(), false) // the server has moved or restarted since, or the service is closed
		}
		if current {
			return in
		}
	}
}

// retire removes an instance. dead means that the registry found the server dead; otherwise the server has left, moved or restarted.
func (s *service) retire(in *instance, now time.Time, dead bool) {
	in.Retire(now, dead)
	if s.instances.CompareAndDelete(in.id, in) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.retired = append(s.retired, in)
	}
}

// update applies the servers of a new membership; nil means that the service has no servers.
func (s *service) update(members *registry.Service, now time.Time) {
	if members == s.members {
		return
	}
	servers, before := slices.Collect(members.All()), s.servers
	s.members, s.servers = members, servers
	s.balancer.Update(servers, now)
	s.eachInstance(func(in *instance) {
		if m := byID(servers, in.id); m != nil && in.is(m) {
			return
		}
		// If the server was suspect before, the registry found it dead. If it was alive, it has left, moved or restarted.
		was := byID(before, in.id)
		s.retire(in, now, was != nil && was.State == events.StateSuspect)
	})
}

// byID returns the server with an id, or nil. servers must be sorted by id.
func byID(servers []*events.Server, id string) *events.Server {
	i, found := slices.BinarySearchFunc(servers, id, func(m *events.Server, id string) int { return strings.Compare(m.ID, id) })
	if !found {
		return nil
	}
	return servers[i]
}

// sweep advances the balancer and the retry budget, and enforces the timeouts of connections and requests.
func (s *service) sweep(now time.Time) {
	s.balancer.Tick(now)
	s.budget.move(s.p.second())
	s.eachInstance(func(in *instance) {
		m := byID(s.servers, in.id)
		left := m == nil || !in.is(m) // a request that chose the server before the server left may have created the instance again
		if !in.Sweep(now) && in.Unused(now) || left {
			s.retire(in, now, false)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = slices.DeleteFunc(s.retired, func(in *instance) bool { return !in.Sweep(now) })
}

// forgetAfter is how long the proxy keeps an empty service. If the only server of the service comes back within this time, its earlier
// failures still count.
const forgetAfter = time.Minute

// forgettable reports whether the service has been empty for longer than forgetAfter.
func (s *service) forgettable(now time.Time) bool {
	if !s.empty() {
		s.neededAt = now
	}
	return now.Sub(s.neededAt) > forgetAfter
}

// empty reports whether the service has no servers, requests or connections.
func (s *service) empty() bool {
	if len(s.servers) > 0 || s.inFlight.Load() != 0 {
		return false
	}
	instances := 0 // a request that chose a server before the server left may have created an instance
	s.eachInstance(func(*instance) { instances++ })
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.retired) == 0 && instances == 0
}

// cut ends all requests in flight, including websockets.
func (s *service) cut() {
	s.eachInstance((*instance).Cut)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range s.retired {
		in.Cut()
	}
}

// close closes all connections to servers and ends all requests. Later requests fail, because their instances are retired at once.
func (s *service) close(now time.Time) {
	s.closed.Store(true)
	s.eachInstance(func(in *instance) { s.retire(in, now, false) })
	s.cut()
}

// connections returns the number of open connections to servers that have not left.
func (s *service) connections() int {
	n := 0
	s.eachInstance(func(in *instance) { n += in.Connections() })
	return n
}

// eachInstance calls f with each instance that is not retired.
func (s *service) eachInstance(f func(*instance)) {
	s.instances.Range(func(_, in any) bool {
		f(in.(*instance))
		return true
	})
}
