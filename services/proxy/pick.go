package proxy

import (
	"context"
	"errors"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// ErrNoServer says that a service has no server that a request could be sent to.
var ErrNoServer = errors.New("proxy: no live server")

// Pick chooses a server of the service for a request that the caller sends itself, by the rules of the proxy. An empty policy
// is the one of the service. key is what the policy hash hashes; empty: a random one. Only the policy leastload asks the
// registry, within ctx. The error is ErrNoServer, that of the registry, or that of balancer.PickBy.
func (p *Proxy) Pick(ctx context.Context, service string, policy balancer.Policy, key string) (*events.Server, error) {
	s := (*p.services.Load())[service]
	if s == nil {
		return nil, ErrNoServer
	}
	if policy == balancer.LeastLoad && p.policyOf(service) != policy { // else they are fresh
		if err := p.refreshLoad(ctx, s, time.Now()); err != nil {
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
