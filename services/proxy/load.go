package proxy

import (
	"context"
	"time"

	"rollcall/services/balancer"
)

// loadsEvery is the interval at which the proxy reads loads from the registry.
const loadsEvery = time.Second

// followLoads reads from the registry the loads of the services whose policy is leastload, until ctx ends. Registry.Watch does not report new
// loads, because they do not change the membership. followLoads has its own goroutine, because the loads of many servers take many queries.
func (p *Proxy) followLoads(ctx context.Context) {
	tick := time.NewTicker(loadsEvery)
	defer tick.Stop()
	for {
		for name, s := range *p.services.Load() {
			if p.policyOf(name) == balancer.LeastLoad {
				_ = s.refreshLoads(ctx, time.Now()) // after an error the balancer uses the previous loads, discounted by their age
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// refreshLoads passes the loads of the servers to the balancer, one block of servers after another. It returns when all are passed, when ctx
// ends, or with an error of the registry.
func (s *service) refreshLoads(ctx context.Context, now time.Time) error {
	members := s.members.Load()
	if members == nil {
		return nil
	}
	var reports []balancer.Report
	for i, b := range members.Blocks {
		vitals, err := s.p.cfg.Registry.Vitals(ctx, members.Blocks[i:i+1], now, nil)
		if err != nil {
			return err
		}
		reports = reports[:0]
		for k, v := range vitals {
			if v.Load != nil {
				reports = append(reports, balancer.Report{Server: b.Servers[k], InFlight: v.Load.InFlight, Age: v.Age})
			}
		}
		s.balancer.Load(reports, now)
	}
	s.balancer.Tick(now) // makes the loads count
	return nil
}
