package proxy

import (
	"cmp"
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

	members  atomic.Pointer[registry.Service] // this service in the last membership; nil if it had no servers. Only Run replaces it
	neededAt time.Time                        // when the service was last found not to be empty. Only for the goroutine of Run

	loadsAt atomic.Int64 // when a Pick last read the loads from the registry, as a value of Transport.Now; 0 means never
	awake   atomic.Bool  // the service is in Proxy.awake
	closed  atomic.Bool  // close was called
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
			s.wake()
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

// update applies the changes of the service in a new membership; nil means that the service has no servers. The cost is proportional to the
// number of changes.
func (s *service) update(members *registry.Service, now time.Time) {
	changes := members.Changes(s.members.Load())
	s.members.Store(members)
	s.neededAt = now
	s.wake()
	s.balancer.Change(changes, now)
	for was, is := range changes {
		known, ok := s.instances.Load(cmp.Or(is, was).ID)
		if !ok {
			continue
		}
		// If the server was suspect before, the registry found it dead. If it was alive, it has left, moved or restarted.
		if in := known.(*instance); is == nil || !in.is(is) {
			s.retire(in, now, was != nil && was.State == events.StateSuspect)
		}
	}
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
