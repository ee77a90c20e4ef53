package balancer_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// TestConcurrentUse is for the race detector. It also checks that a draining server is never chosen, and that no server has requests in
// flight at the end.
func TestConcurrentUse(t *testing.T) {
	for _, policy := range balancer.Policies() {
		t.Run(string(policy), func(t *testing.T) {
			b := mustNew(t, balancer.Config{Policy: policy, Zone: "a"})
			all := differing(20)
			for i, s := range all {
				s.Load = &events.Load{InFlight: int64(i)}
				if i%3 == 0 {
					s.Zone = "b"
				}
			}
			drained := with(all[7], func(s *events.Server) { s.Weight, s.State = 0, events.StateDraining })
			drained.ID = "drained"
			all = append(all, drained)
			b.Update(all, start)
			var stop atomic.Bool
			var changing, serving sync.WaitGroup
			var clock atomic.Int64
			now := func() time.Time { return start.Add(time.Duration(clock.Load())) }
			var mu sync.Mutex
			seen := make(map[*balancer.Endpoint]bool)

			changing.Go(func() {
				for i := range 60 {
					clock.Add(int64(250 * time.Millisecond))
					b.Update(append(all[i%10:len(all)-1:len(all)-1], drained), now())
					b.Change(changes(all[15], nil), now())
					b.Tick(now())
					b.Load(reported(all), now())
					b.Stats()
				}
				stop.Store(true)
			})
			for w := range 4 {
				serving.Go(func() {
					mine := make(map[*balancer.Endpoint]bool)
					other := balancer.Policies()[w]
					for key := uint64(0); !stop.Load() || key < 1000; key++ {
						first := b.Pick(key, nil)
						first.Begin()
						second := b.Pick(key, []*balancer.Endpoint{first})
						second.Begin()
						third, err := b.PickBy(other, key)
						if err != nil || first == second {
							t.Errorf("first pick %s, second pick %s; pick by %s: %v", idOf(first), idOf(second), other, err)
						}
						third.Begin()
						for i, e := range []*balancer.Endpoint{first, second, third} {
							mine[e] = true
							if idOf(e) == "drained" {
								t.Error("the draining server was chosen")
							}
							b.Done(e, balancer.Outcome((key/7+uint64(i))%3), now())
						}
					}
					mu.Lock()
					defer mu.Unlock()
					for e := range mine {
						seen[e] = true
					}
				})
			}
			changing.Wait()
			serving.Wait()
			for e := range seen {
				if e.InFlight() != 0 {
					t.Errorf("%s has %d requests in flight", idOf(e), e.InFlight())
				}
			}
		})
	}
}
