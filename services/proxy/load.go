package proxy

import (
	"context"
	"time"

	"rollcall/services/balancer"
	"rollcall/services/registry"
)

// loadsEvery is how often the loads are asked for that servers tell in their heartbeats.
const loadsEvery = time.Second

// refreshLoads asks for the loads of the services whose policy looks at them: they come without a change of the membership.
func (p *Proxy) refreshLoads(ctx context.Context, now time.Time) {
	if now.Sub(p.loadsAt) < loadsEvery {
		return
	}
	p.loadsAt = now
	ctx, cancel := context.WithTimeout(ctx, loadsEvery)
	defer cancel()
	for name, s := range *p.services.Load() {
		if p.policyOf(name) == balancer.LeastLoad {
			_ = p.refreshLoad(ctx, s, now) // the loads of before are discounted meanwhile
		}
	}
}

func (p *Proxy) refreshLoad(ctx context.Context, s *service, now time.Time) error {
	list, err := p.cfg.Registry.List(ctx, registry.Query{Service: s.name}, now)
	if err != nil {
		return err
	}
	s.balancer.Load(list.Servers, now)
	return nil
}
