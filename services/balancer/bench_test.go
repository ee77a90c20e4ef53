package balancer_test

import (
	"fmt"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// BenchmarkPick uses servers of different weights, because a pick among servers of equal weight takes less work.
func BenchmarkPick(b *testing.B) {
	for _, policy := range balancer.Policies() {
		for _, n := range []int{3, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				bal := mustNew(b, balancer.Config{Policy: policy})
				bal.Update(differing(n), start)
				b.ReportAllocs()
				key := uint64(0)
				for b.Loop() {
					bal.Pick(key, nil)
					key++
				}
			})
		}
	}
}

// BenchmarkPickBeginDone measures the work of a proxy for each request, on all processors.
func BenchmarkPickBeginDone(b *testing.B) {
	for _, policy := range balancer.Policies() {
		b.Run(fmt.Sprintf("%s/1000", policy), func(b *testing.B) {
			bal := mustNew(b, balancer.Config{Policy: policy})
			bal.Update(differing(1000), start)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				key := uint64(0)
				for pb.Next() {
					e := bal.Pick(key, nil)
					e.Begin()
					bal.Done(e, balancer.Answered, start)
					key += 0x9e3779b97f4a7c15
				}
			})
		})
	}
}

// BenchmarkPickTried measures a request and its retry.
func BenchmarkPickTried(b *testing.B) {
	for _, policy := range balancer.Policies() {
		b.Run(fmt.Sprintf("%s/1000", policy), func(b *testing.B) {
			bal := mustNew(b, balancer.Config{Policy: policy})
			bal.Update(differing(1000), start)
			tried := make([]*balancer.Endpoint, 1)
			b.ReportAllocs()
			key := uint64(0)
			for b.Loop() {
				tried[0] = bal.Pick(key, nil)
				bal.Pick(key, tried)
				key++
			}
		})
	}
}

// BenchmarkBuild measures the first Update of a process, with 1000 servers.
func BenchmarkBuild(b *testing.B) {
	for _, policy := range balancer.Policies() {
		b.Run(fmt.Sprintf("%s/1000", policy), func(b *testing.B) {
			all := differing(1000)
			b.ReportAllocs()
			for b.Loop() {
				bal := mustNew(b, balancer.Config{Policy: policy})
				bal.Update(all, start)
			}
		})
	}
}

// BenchmarkUpdate measures an Update that removes one of 1000 servers, and an Update that adds a server to 999 servers.
func BenchmarkUpdate(b *testing.B) {
	for _, policy := range balancer.Policies() {
		for _, change := range []string{"remove", "add"} {
			b.Run(fmt.Sprintf("%s/1000/%s", policy, change), func(b *testing.B) {
				bal := mustNew(b, balancer.Config{Policy: policy})
				all := differing(1000)
				fewer := append(append([]*events.Server{}, all[:500]...), all[501:]...)
				from, to := all, fewer
				if change == "add" {
					from, to = fewer, all
				}
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					bal.Update(from, start)
					b.StartTimer()
					bal.Update(to, start)
				}
			})
		}
	}
}

// BenchmarkUpdateSame measures an Update that does not change the candidates.
func BenchmarkUpdateSame(b *testing.B) {
	bal := mustNew(b, balancer.Config{})
	all := differing(1000)
	b.ReportAllocs()
	for b.Loop() {
		bal.Update(all, start)
	}
}

func BenchmarkTick(b *testing.B) {
	for _, test := range []struct {
		name  string
		setup func(*balancer.Balancer, []*events.Server)
	}{
		{"idle", func(*balancer.Balancer, []*events.Server) {}},
		{"loads", func(b *balancer.Balancer, all []*events.Server) {
			for _, s := range all {
				s.Load = &events.Load{InFlight: 3}
			}
			b.Load(all, start)
		}},
		{"slow start", func(b *balancer.Balancer, all []*events.Server) {
			more := with(all[0], func(s *events.Server) { s.ID = "new" })
			b.Update(append(all, more), start.Add(24*time.Hour))
		}},
	} {
		b.Run(test.name, func(b *testing.B) {
			bal := mustNew(b, balancer.Config{SlowStart: 24 * time.Hour})
			all := differing(1000)
			bal.Update(all, start)
			test.setup(bal, all)
			now := start.Add(24 * time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(250 * time.Millisecond)
				bal.Tick(now)
			}
		})
	}
}
