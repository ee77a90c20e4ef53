package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/proxy"
	"rollcall/services/registry"
)

// BenchmarkChurn measures how long a pick by hash and a query of the registry, as /livez makes it, take while servers of one service restart
// with another weight. It prints the 99th percentile and the longest time. The times of a sleep of 1 ms show the delay by other load.
func BenchmarkChurn(b *testing.B) {
	for _, rate := range []int{100, 5000} {
		b.Run(fmt.Sprintf("servers=100000/changes=%d", rate), func(b *testing.B) {
			const servers = 100_000
			r, p := startChurn(b, servers)
			for b.Loop() {
				ctx, stop := context.WithCancel(b.Context())
				churning := make(chan error, 1)
				go func() { churning <- churn(ctx, r, servers, rate) }()
				var picks, queries, sleeps []time.Duration
				for begun := time.Now(); time.Since(begun) < 3*time.Second; {
					sleeps = append(sleeps, took(b, func() error { time.Sleep(time.Millisecond); return nil }))
					picks = append(picks, took(b, func() error {
						_, err := p.Pick(ctx, "data", balancer.Hash, strconv.Itoa(len(picks)))
						return err
					}))
					queries = append(queries, took(b, func() error {
						_, err := r.Stats(ctx)
						return err
					}))
				}
				stop()
				if err := <-churning; err != nil {
					b.Fatal(err)
				}
				for name, all := range map[string][]time.Duration{"pick": picks, "query": queries, "sleep": sleeps} {
					slices.Sort(all)
					b.ReportMetric(all[len(all)*99/100].Seconds()*1000, "ms-p99-"+name)
					b.ReportMetric(all[len(all)-1].Seconds()*1000, "ms-max-"+name)
				}
			}
		})
	}
}

func took(b *testing.B, f func() error) time.Duration {
	begun := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

// startChurn runs a registry with the given number of servers and a proxy that follows it. It returns when the proxy has the servers.
func startChurn(b *testing.B, servers int) (*registry.Registry, *proxy.Proxy) {
	r, err := registry.New(registry.Config{Observer: "api-1", MaxServers: 2 * servers, Outbox: 1})
	if err != nil {
		b.Fatal(err)
	}
	p, err := proxy.New(proxy.Config{Registry: r, Balancer: balancer.Config{Policy: balancer.Hash}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 2)
	go func() { ran <- r.Run(ctx) }()
	go func() { ran <- p.Run(ctx) }()
	b.Cleanup(func() { stop(); <-ran; <-ran })
	for i := range servers {
		if err := restart(ctx, r, i, 1); err != nil {
			b.Fatal(err)
		}
	}
	for { // all servers are there if as many picks by roundrobin, which takes the servers in turn, return different servers
		picked := make(map[string]bool)
		for range servers {
			s, err := p.Pick(ctx, "data", balancer.RoundRobin, "")
			if errors.Is(err, proxy.ErrNoServer) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			picked[s.ID] = true
		}
		if len(picked) == servers {
			return r, p
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// churn restarts one server after another until ctx ends: the hundredth part of the rate every 10 ms, and never more to catch up.
func churn(ctx context.Context, r *registry.Registry, servers, rate int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; {
		for range rate / 100 {
			if err := restart(ctx, r, i*7919%servers, int64(2+i)); err != nil && ctx.Err() == nil {
				return err
			}
			i++
		}
		<-tick.C
	}
	return nil
}

// restart makes the registry receive the first heartbeat of an incarnation of a server.
func restart(ctx context.Context, r *registry.Registry, i int, incarnation int64) error {
	now := time.Now()
	return r.Observe(ctx, &events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: "data", ID: fmt.Sprintf("%06d", i), Addr: fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255),
		Incarnation: incarnation, Seq: 1, IntervalMS: 60_000, TTLMS: 3_600_000, Weight: int(50 + incarnation%100),
	}, events.Receipt{Via: "127.0.0.1:4150", PublishedAt: now.Round(0), ReceivedAt: now})
}
