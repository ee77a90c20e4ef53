package balancer_test

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// start is the time of the first Update in each test.
var start = time.Date(2025, 11, 22, 12, 0, 0, 0, time.UTC)

func mustNew(tb testing.TB, cfg balancer.Config) *balancer.Balancer {
	tb.Helper()
	b, err := balancer.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// servers returns an alive server in the zone "a" for each weight. The ids are s0000, s0001, and so on.
func servers(weights ...int) []*events.Server {
	all := make([]*events.Server, len(weights))
	for i, w := range weights {
		id := fmt.Sprintf("s%04d", i)
		all[i] = &events.Server{
			Service: "data", ID: id, Addr: id + ":8080", State: events.StateAlive,
			Incarnation: 1, IntervalMS: 5000, TTLMS: 10000, Weight: w, Zone: "a",
		}
	}
	return all
}

// same returns n servers of weight 100.
func same(n int) []*events.Server { return servers(repeat(n, 100)...) }

// differing returns n servers with different weights from 1 to 1000.
func differing(n int) []*events.Server {
	weights := make([]int, n)
	for i := range weights {
		weights[i] = 1 + i*7919%1000
	}
	return servers(weights...)
}

func repeat(n, weight int) []int {
	weights := make([]int, n)
	for i := range weights {
		weights[i] = weight
	}
	return weights
}

// changes yields a single change, for Balancer.Change.
func changes(was, is *events.Server) iter.Seq2[*events.Server, *events.Server] {
	return pairs([]*events.Server{was}, []*events.Server{is})
}

// pairs yields a change from each server of the first slice to the server of the second slice with the same index.
func pairs(was, is []*events.Server) iter.Seq2[*events.Server, *events.Server] {
	return func(yield func(_, _ *events.Server) bool) {
		for i := range was {
			if !yield(was[i], is[i]) {
				return
			}
		}
	}
}

// reported returns the loads of the servers that have one. The age of a report is AgeMS of its server.
func reported(all []*events.Server) []balancer.Report {
	var reports []balancer.Report
	for _, s := range all {
		if s.Load != nil {
			reports = append(reports, balancer.Report{Server: s, InFlight: s.Load.InFlight, Age: time.Duration(s.AgeMS) * time.Millisecond})
		}
	}
	return reports
}

// with copies s, applies the function change to the copy, and returns the copy.
func with(s *events.Server, change func(*events.Server)) *events.Server {
	changed := *s
	change(&changed)
	return &changed
}

func idOf(e *balancer.Endpoint) string {
	if e == nil {
		return ""
	}
	return e.Server().ID
}

// picked calls Pick n times, each time with another key, and returns how often each id was chosen.
func picked(b *balancer.Balancer, n int) map[string]int {
	counts := make(map[string]int)
	for i := range n {
		counts[idOf(b.Pick(uint64(i), nil))]++
	}
	return counts
}

// endpoint calls Pick until it returns the server with the given id.
func endpoint(tb testing.TB, b *balancer.Balancer, id string) *balancer.Endpoint {
	tb.Helper()
	for i := range 100_000 {
		if e := b.Pick(uint64(i), nil); idOf(e) == id {
			return e
		}
	}
	tb.Fatalf("Pick never returns %s", id)
	return nil
}

// fail makes n requests to e fail in a row, and reports whether e was ejected.
func fail(b *balancer.Balancer, e *balancer.Endpoint, n int, now time.Time) bool {
	ejected := false
	for range n {
		e.Begin()
		ejected = b.Done(e, balancer.Failed, now) || ejected
	}
	return ejected
}
