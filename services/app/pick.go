package app

import (
	"context"
	"errors"
	"fmt"

	"rollcall/events"
	"rollcall/services/apiserver"
	"rollcall/services/balancer"
	"rollcall/services/proxy"
)

// pick lets the API choose a server as the proxy does.
func pick(p *proxy.Proxy) func(ctx context.Context, service, policy, key string) (*events.Server, error) {
	return func(ctx context.Context, service, policy, key string) (*events.Server, error) {
		s, err := p.Pick(ctx, service, balancer.Policy(policy), key)
		switch {
		case errors.Is(err, proxy.ErrNoServer):
			return nil, apiserver.ErrNoServer
		case errors.Is(err, balancer.ErrPolicy):
			return nil, fmt.Errorf("%w: want one of %s", apiserver.ErrPolicy, balancer.PolicyNames())
		}
		return s, err
	}
}
