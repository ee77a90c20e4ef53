package proxy

import (
	"context"
	"time"

	"rollcall/services/balancer"
	"rollcall/services/registry"
)

// loadsEvery is the interval at which the proxy reads loads from the registry.
const loadsEvery = time.Second

// refreshLoads reads from the registry the loads of the services whose policy is leastload. Registry.Watch does not report new loads,
// because they do not change the membership.
func (p *Proxy) refreshLoads(ctx context.Context, now time.Time) {
	if now.Sub(p.loadsAt) < loadsEvery {
		return
	}
	p.loadsAt = now
	ctx, cancel := context.WithTimeout(ctx, loadsEvery)
	defer cancel()
	for name, s := range *p.services.Load() {
		if p.policyOf(name) == balancer.LeastLoad {
			_ = p.refreshLoad(ctx, s, now) // after an error the balancer uses the previous loads, discounted by their age
		}
	}
}

func (p *Proxy) refreshLoad(ctx context.Context, s *service, now time.Time) error {
	_, servers, err := p.cfg.Registry.List(ctx, registry.Query{Service: s.name}, now)
	if err != nil {
		return err
	}
	s.balancer.Load(servers, now)
	return nil
}
