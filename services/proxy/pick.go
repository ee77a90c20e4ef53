package proxy

import (
	"context"
	"errors"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// ErrNoServer is returned for a service without a usable server.
var ErrNoServer = errors.New("proxy: no live server")

// Pick chooses a server of the service, as the proxy does for a request. An empty policy stands for the policy of the service. The policy
// hash chooses by key, or at random if key is empty. Pick blocks only if the given policy is leastload and the service has another policy: then
// one Pick a second queries the registry, at most until ctx ends. The error is ErrNoServer, an error of the registry, or an error of balancer.PickBy.
func (p *Proxy) Pick(ctx context.Context, service string, policy balancer.Policy, key string) (*events.Server, error) {
	s := (*p.services.Load())[service]
	if s == nil {
		return nil, ErrNoServer
	}
	s.wake()
	if policy == balancer.LeastLoad && p.policyOf(service) != policy && s.loadsAreOld() { // Run follows only the loads of services with the policy leastload
		if err := s.refreshLoads(ctx, time.Now()); err != nil {
			return nil, err
		}
	}
	e, err := s.balancer.PickBy(policy, keyOf(key))
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, ErrNoServer
	}
	return e.Server(), nil
}
