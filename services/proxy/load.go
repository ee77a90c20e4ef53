package proxy

import (
	"context"
	"slices"
	"time"

	"rollcall/services/balancer"
	"rollcall/services/registry"
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

// loadsAreOld reports whether nobody has begun to refresh the loads in the last loadsEvery. If so, the caller must refresh them.
func (s *service) loadsAreOld() bool {
	now, last := s.p.upstream.Now(), s.loadsAt.Load()
	return (last == 0 || time.Duration(now-last) >= loadsEvery) && s.loadsAt.CompareAndSwap(last, now)
}

// loadsStep is the number of blocks whose loads refreshLoads passes to the balancer at once.
const loadsStep = 4

// refreshLoads passes the loads of the servers to the balancer, some blocks of servers after another. It returns when all are passed, when
// ctx ends, or with an error of the registry.
func (s *service) refreshLoads(ctx context.Context, now time.Time) error {
	members := s.members.Load()
	if members == nil {
		return nil
	}
	var vitals []registry.Vitals
	var reports []balancer.Report
	for blocks := range slices.Chunk(members.Blocks, loadsStep) {
		var err error
		if vitals, err = s.p.cfg.Registry.Vitals(ctx, blocks, now, vitals[:0]); err != nil {
			return err
		}
		reports = reports[:0]
		rest := vitals
		for _, b := range blocks {
			for i, v := range rest[:len(b.Servers)] {
				if v.Load != nil {
					reports = append(reports, balancer.Report{Server: b.Servers[i], InFlight: v.Load.InFlight, Age: v.Age})
				}
			}
			rest = rest[len(b.Servers):]
		}
		s.balancer.Load(reports, now)
	}
	s.balancer.Tick(now) // makes the loads count
	return nil
}
