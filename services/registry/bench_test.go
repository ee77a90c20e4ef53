package registry_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// heartbeatOf returns a typical heartbeat of server i, about 250 bytes of JSON.
func heartbeatOf(i int, seq uint64) *events.Heartbeat {
	return &events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: "data", ID: fmt.Sprintf("%032x", i),
		Addr: fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255), Incarnation: 1763812345678, Seq: seq,
		IntervalMS: 5000, TTLMS: 10000, Weight: 100, Zone: "a", Version: "1.4.2", Tags: []string{"blue"},
		Meta: events.NewMeta(map[string]string{"rack": "r7"}), Load: &events.Load{InFlight: 3},
	}
}

func receiptAt(at time.Time) events.Receipt {
	return events.Receipt{Via: "127.0.0.1:4150", PublishedAt: at.Round(0), ReceivedAt: at}
}

func startRegistry(tb testing.TB, servers int) (*registry.Registry, time.Time) {
	tb.Helper()
	r, err := registry.New(registry.Config{Observer: "api-1", MaxServers: 200_000, Outbox: 1})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- r.Run(ctx) }()
	tb.Cleanup(func() { stop(); <-ran })
	now := time.Now()
	for i := range servers {
		if err := r.Observe(ctx, heartbeatOf(i, 1), receiptAt(now)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := r.Tick(ctx, now, nil); err != nil {
		tb.Fatal(err)
	}
	return r, now
}

// BenchmarkObserve measures Observe with heartbeats of registered servers, one server after the other.
func BenchmarkObserve(b *testing.B) {
	for _, servers := range []int{10, 10_000, 100_000} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			r, now := startRegistry(b, servers)
			beats := make([]events.Heartbeat, servers)
			for i := range beats {
				beats[i] = *heartbeatOf(i, 1)
			}
			receipt := receiptAt(now)
			ctx := context.Background()
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				i := n % uint64(servers)
				h := beats[i]
				h.Seq = 2 + n/uint64(servers)
				n++
				if err := r.Observe(ctx, &h, receipt); err != nil {
					b.Fatal(err)
				}
			}
			if err := r.Tick(ctx, now, nil); err != nil { // Tick returns after Run has applied all heartbeats
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "observes/s")
		})
	}
}

func BenchmarkMembers(b *testing.B) {
	for _, servers := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			r, _ := startRegistry(b, servers)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if s, err := r.Members(ctx); err != nil || s.Len() != servers {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTick measures ticks at which no server is due. Each tick advances the time by less than a slot of the timer wheel. A
// server with a TTL of 6 minutes would become suspect after 252 s, which is less than one turn of the wheel (256 s), so ticks
// pass empty slots only. A server with a TTL of a day stays in the wheel for many turns, and a tick passes its slot once per
// turn.
func BenchmarkTick(b *testing.B) {
	for _, ttl := range []time.Duration{6 * time.Minute, events.MaxLease} {
		for _, servers := range []int{10, 100_000} {
			b.Run(fmt.Sprintf("ttl=%v/servers=%d", ttl, servers), func(b *testing.B) {
				r, now := startRegistry(b, servers)
				var seq uint64 = 1
				renewed := now.Add(-ttl)
				b.ReportAllocs()
				for b.Loop() {
					if now.Sub(renewed) > ttl/2 {
						b.StopTimer()
						seq++
						renewAll(b, r, servers, seq, ttl, now)
						renewed = now
						b.StartTimer()
					}
					now = now.Add(20 * time.Millisecond)
					mustTick(b, r, now)
				}
				if s, err := r.Stats(b.Context()); err != nil || s.Transitions[events.TypeSuspected][events.CauseSilent] > 0 {
					b.Fatalf("a server was due: %+v, %v", s, err)
				}
			})
		}
	}
}

// renewAll renews all servers with heartbeats whose TTL is ttl. The leases begin at times that are spread over four seconds.
func renewAll(b *testing.B, r *registry.Registry, servers int, seq uint64, ttl time.Duration, now time.Time) {
	b.Helper()
	for i := range servers {
		h := heartbeatOf(i, seq)
		h.TTLMS = ttl.Milliseconds()
		receipt := receiptAt(now)
		receipt.Delay = time.Duration(i%16) * 250 * time.Millisecond
		if err := r.Observe(b.Context(), h, receipt); err != nil {
			b.Fatal(err)
		}
	}
	mustTick(b, r, now)
}

func BenchmarkMemoryPerServer(b *testing.B) {
	const servers = 100_000
	for b.Loop() {
		before := heap()
		r, _ := startRegistry(b, servers)
		for seq := uint64(2); seq < 8; seq++ { // these heartbeats fill each server's ring of recent heartbeats
			for i := range servers {
				if err := r.Observe(context.Background(), heartbeatOf(i, seq), receiptAt(time.Now())); err != nil {
					b.Fatal(err)
				}
			}
		}
		s, err := r.Members(context.Background())
		if err != nil || s.Len() != servers {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heap()-before)/servers, "B/server")
		runtime.KeepAlive(s)
		runtime.KeepAlive(r)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
