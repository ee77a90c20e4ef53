package balancer_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// pickOften makes Hash compute the owners of nearly all keys.
func pickOften(bal *balancer.Balancer) {
	for key := range uint64(1 << 19) {
		bal.Pick(key, nil)
	}
}

// BenchmarkPick uses servers of different weights, because a pick among servers of equal weight takes less work.
func BenchmarkPick(b *testing.B) {
	for _, policy := range balancer.Policies() {
		for _, n := range []int{3, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				bal := mustNew(b, balancer.Config{Policy: policy})
				bal.Update(differing(n), start)
				pickOften(bal)
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

// BenchmarkFirstPick measures a pick of the policy hash for a slot whose owner is not known.
func BenchmarkFirstPick(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint("hash/", n), func(b *testing.B) {
			bal := mustNew(b, balancer.Config{Policy: balancer.Hash})
			bal.Update(differing(n), start)
			first := []*balancer.Endpoint{bal.Pick(0, nil)}
			key := uint64(0)
			for b.Loop() {
				bal.Pick(key, first) // a retry takes as long as a first pick
				key++
			}
		})
	}
}

// BenchmarkPickBeginDone measures the work of a proxy for each request, on all processors.
func BenchmarkPickBeginDone(b *testing.B) {
	for _, policy := range balancer.Policies() {
		b.Run(fmt.Sprintf("%s/1000", policy), func(b *testing.B) {
			bal := mustNew(b, balancer.Config{Policy: policy})
			bal.Update(differing(1000), start)
			pickOften(bal)
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
			pickOften(bal)
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

// BenchmarkBuild measures the first Update of a process and the first Pick.
func BenchmarkBuild(b *testing.B) {
	for _, policy := range balancer.Policies() {
		for _, n := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				all := differing(n)
				b.ReportAllocs()
				for b.Loop() {
					bal := mustNew(b, balancer.Config{Policy: policy})
					bal.Update(all, start)
					bal.Pick(0, nil)
				}
			})
		}
	}
}

// BenchmarkChange measures a change that removes a server, and a change that adds it again.
func BenchmarkChange(b *testing.B) {
	for _, policy := range balancer.Policies() {
		for _, n := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", policy, n), func(b *testing.B) {
				bal := mustNew(b, balancer.Config{Policy: policy, SlowStart: -1})
				all := differing(n)
				bal.Update(all, start)
				for key := range uint64(1000) {
					bal.Pick(key, nil)
				}
				one := all[n/2]
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if i%2 == 0 {
						bal.Change(changes(one, nil), start)
					} else {
						bal.Change(changes(nil, one), start)
					}
				}
			})
		}
	}
}

// BenchmarkChangeAll measures the longest times that a slice of a change of 100 000 servers, and the first pick after such a change, take. At
// half of the changes the suspect servers become candidates.
func BenchmarkChangeAll(b *testing.B) {
	for _, policy := range balancer.Policies() {
		b.Run(fmt.Sprintf("%s/100000", policy), func(b *testing.B) {
			bal := mustNew(b, balancer.Config{Policy: policy})
			all := differing(100_000)
			bal.Update(all, start)
			bal.Pick(0, nil)
			suspects := suspected(len(all), differing(len(all)))
			var longest, pick time.Duration
			for i := 0; b.Loop(); i++ {
				from, to := all, suspects
				if i%2 == 1 {
					from, to = to, from
				}
				for first := 0; first < len(all); first += 1024 {
					last := min(first+1024, len(all))
					begun := time.Now()
					bal.Change(pairs(from[first:last], to[first:last]), start)
					longest = max(longest, time.Since(begun))
					begun = time.Now()
					bal.Pick(uint64(i), nil)
					pick = max(pick, time.Since(begun))
				}
			}
			b.ReportMetric(float64(longest.Microseconds())/1000, "ms-longest-slice")
			b.ReportMetric(float64(pick.Microseconds())/1000, "ms-longest-pick")
		})
	}
}

// BenchmarkMemory measures the memory for each of 100 000 servers, with and without a pick.
func BenchmarkMemory(b *testing.B) {
	for _, picks := range []int{0, 1000} {
		for _, policy := range balancer.Policies() {
			b.Run(fmt.Sprintf("%s/picks=%d", policy, picks), func(b *testing.B) {
				const n = 100_000
				all := differing(n)
				for b.Loop() {
					before := heapInUse()
					bal := mustNew(b, balancer.Config{Policy: policy})
					bal.Change(pairs(make([]*events.Server, n), all), start)
					for key := range picks {
						bal.Pick(uint64(key), nil)
					}
					b.ReportMetric(float64(heapInUse()-before)/n, "bytes/server")
					runtime.KeepAlive(bal)
				}
			})
		}
	}
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
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

// BenchmarkTickSlowStart measures a Tick while 100 000 servers are in their slow start and their weights take a step.
func BenchmarkTickSlowStart(b *testing.B) {
	all := differing(100_001)
	begin := func() (*balancer.Balancer, time.Time) {
		bal, now := mustNew(b, balancer.Config{SlowStart: 24 * time.Hour}), start.Add(24*time.Hour)
		bal.Update(all[:1], start)
		bal.Update(all, now)
		return bal, now
	}
	bal, now := begin()
	for n := 0; b.Loop(); n++ {
		if n == 30 { // before the end of the slow start, which has 40 steps
			b.StopTimer()
			bal, now = begin()
			n = 0
			b.StartTimer()
		}
		now = now.Add(24 * time.Hour / 40)
		bal.Tick(now)
		if bal.Stats().Starting == 0 {
			b.Fatal("no server is in its slow start")
		}
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
			b.Load(reported(all), start)
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
