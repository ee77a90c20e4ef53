// Package label bounds the number of values of the label service in metrics. Any process that can publish heartbeats can register
// services, and each series takes memory here and in Prometheus.
package label

import "sync"

// Other is the label value that all services above the limit share. A service whose name is other has this value too.
const Other = "other"

// MaxServices is the maximum number of services that have a label value of their own.
const MaxServices = 1000

// Services assigns values of the label service. The first MaxServices services get their name as the value. A service keeps its value until
// it is released. Services is safe for concurrent use.
type Services struct {
	mu  sync.Mutex
	own map[string]struct{}
}

// NewServices returns Services without any service.
func NewServices() *Services { return &Services{own: make(map[string]struct{})} }

// Of returns the value for a service. A new service gets its name as the value, or Other if MaxServices services already have a value of
// their own.
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

// Known returns the value for a service. Unlike Of, it does not give a new service a value of its own.
func (s *Services) Known(service string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.own[service]; ok {
		return service
	}
	return Other
}

// Release frees the value that a service has of its own, so that another service can get a value of its own.
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
