// Package label bounds the number of values of the label service in metrics. Any process that can publish heartbeats can register
// services, and each series takes memory here and in Prometheus.
package label

import "sync"

// Other is the value for all services above the limit, and for a service of that name.
const Other = "other"

// MaxServices is the number of services that have a value of their own.
const MaxServices = 1000

// Services assigns values of the label service. The first MaxServices services get their name as the value, until they are released. It
// is safe for concurrent use.
type Services struct {
	mu  sync.Mutex
	own map[string]struct{}
}

// NewServices returns Services without any service.
func NewServices() *Services { return &Services{own: make(map[string]struct{})} }

// Of returns the value for a service. A new service gets its name if there is room, else Other.
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

// Known returns the value for a service, like Of, but takes no room for a new one.
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

// Retain releases every service for which keep returns false.
func (s *Services) Retain(keep func(service string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for service := range s.own {
		if !keep(service) {
			delete(s.own, service)
		}
	}
}
