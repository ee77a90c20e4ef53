package proxy

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// sweepList has the services that the next tick must sweep. A service without connections, retries, slow starts and ejections is not in it, so
// that a tick costs nothing for services without requests.
type sweepList struct {
	mu       sync.Mutex
	services []*service
}

func (l *sweepList) add(s *service) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.services = append(l.services, s)
}

func (l *sweepList) take() []*service {
	l.mu.Lock()
	defer l.mu.Unlock()
	services := l.services
	l.services = nil
	return services
}

// wake makes the next tick sweep the service. It is called after each change of the membership, for each new connection, and for each Pick.
func (s *service) wake() {
	if !s.awake.Load() && !s.awake.Swap(true) {
		s.p.awake.add(s)
	}
}

// tick advances the clock of timeouts, enforces timeouts, and removes services that were empty for longer than forgetAfter.
func (p *Proxy) tick(now time.Time) {
	p.upstream.Advance(now)
	services := *p.services.Load()
	left := services
	for _, s := range p.awake.take() {
		s.awake.Store(false) // before the sweep, so that a request that needs another sweep wakes the service again
		s.sweep(now)
		known := services[s.name] == s // a request may have looked the service up before it was forgotten
		switch {
		case known && s.forgettable(now):
			if len(left) == len(services) {
				left = maps.Clone(services)
			}
			delete(left, s.name)
			p.metrics.forget(s)
		case known && !s.quiet(), s.connected():
			s.wake()
		}
	}
	if len(left) < len(services) {
		p.services.Store(&left)
	}
}

// sweep advances the balancer and the retry budget, and enforces the timeouts of connections and requests.
func (s *service) sweep(now time.Time) {
	s.balancer.Tick(now)
	s.budget.move(s.p.second())
	members := s.members.Load()
	s.eachInstance(func(in *instance) {
		m := members.Server(in.id)
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
	if s.members.Load() != nil || s.inFlight.Load() != 0 {
		return false
	}
	return !s.connected()
}

// connected reports whether the service has connections to servers, including servers that have left.
func (s *service) connected() bool {
	instances := false // a request that chose a server before the server left may have created an instance
	s.eachInstance(func(*instance) { instances = true })
	s.mu.Lock()
	defer s.mu.Unlock()
	return instances || len(s.retired) > 0
}

// quiet reports whether nothing of the service changes with time: it has servers, and no request since a while.
func (s *service) quiet() bool {
	stats := s.balancer.Stats()
	return stats.Servers > 0 && stats.Starting == 0 && stats.Ejected == 0 && s.budget.unused() && !s.connected()
}
