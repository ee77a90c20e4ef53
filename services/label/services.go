// Package label bounds the values of the label service in metrics. Anybody who can publish can invent services, and each
// series costs memory here and in Prometheus.
package label

import "sync"

// Other is the value that stands for all services beyond the limit. A service of that name shares it.
const Other = "other"

// MaxServices is how many services have a value of their own at once.
const MaxServices = 1000

// Services gives the first MaxServices services a value of their own, until they are released. It is safe for concurrent
// use.
type Services struct {
	mu  sync.Mutex
	own map[string]struct{}
}

// NewServices returns Services without a service.
func NewServices() *Services { return &Services{own: make(map[string]struct{})} }

// Of returns the value for a service, which gets one of its own if there is room.
func (s *Services) Of(service string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.own[service]; ok {
		return service
	}
	if service == Other || len(s.own) >= MaxServices {
		return Other
	}
	s.own[service] = struct{}{}
	return service
}

// Known is Of for a service that gets no value of its own by being asked for.
func (s *Services) Known(service string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.own[service]; ok {
		return service
	}
	return Other
}

// Release makes room for another service.
func (s *Services) Release(service string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.own, service)
}

// Retain releases every service that keep does not name.
func (s *Services) Retain(keep func(service string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for service := range s.own {
		if !keep(service) {
			delete(s.own, service)
		}
	}
}
