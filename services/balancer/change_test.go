package balancer_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/events"
	"rollcall/services/balancer"
)

// TestChangeEqualsUpdate applies the same changes to two balancers, by Change and by Update, and compares them. There are enough servers for
// several blocks, and the zone, panic, slow starts and ejections come and go.
func TestChangeEqualsUpdate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := balancer.Config{Policy: balancer.Hash, Zone: rapid.SampledFrom([]string{"", "a"}).Draw(t, "zone")}
		changed, err := balancer.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		updated, _ := balancer.New(cfg)
		n := rapid.SampledFrom([]int{3, 40, 600}).Draw(t, "servers")
		servers := make([]*events.Server, n) // nil: not a member
		now := start
		for round := range rapid.IntRange(2, 8).Draw(t, "rounds") {
			now = now.Add(time.Duration(rapid.IntRange(0, 15).Draw(t, "seconds")) * time.Second)
			before := slices.Clone(servers)
			share := rapid.SampledFrom([]float64{0.01, 0.5, 1}).Draw(t, "share of changed servers")
			for i := range servers {
				if round == 0 || rapid.Float64Range(0, 1).Draw(t, "changes") < share {
					servers[i] = anyServer(t, i)
				}
			}
			changed.Change(pairs(before, servers), now)
			updated.Update(servers, now)
			for key := range uint64(20) {
				c, u := changed.Pick(key, nil), updated.Pick(key, nil)
				if idOf(c) != idOf(u) {
					t.Fatalf("round %d, key %d: Change picks %q, Update %q", round, key, idOf(c), idOf(u))
				}
				if c != nil {
					outcome := rapid.SampledFrom([]balancer.Outcome{balancer.Answered, balancer.Failed}).Draw(t, "outcome")
					for range 5 {
						c.Begin()
						changed.Done(c, outcome, now)
						u.Begin()
						updated.Done(u, outcome, now)
					}
				}
			}
			if rapid.Bool().Draw(t, "tick") {
				now = now.Add(time.Second)
				changed.Tick(now)
				updated.Tick(now)
			}
			compare(t, changed, updated, servers)
		}
	})
}

// anyServer returns a server, or nil.
func anyServer(t *rapid.T, i int) *events.Server {
	if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
		return nil
	}
	return &events.Server{
		ID:          fmt.Sprintf("s%04d", i),
		State:       rapid.SampledFrom([]events.State{events.StateAlive, events.StateAlive, events.StateSuspect, events.StateDraining}).Draw(t, "state"),
		Weight:      rapid.SampledFrom([]int{0, 1, 100, 100, 1000}).Draw(t, "weight"),
		Zone:        rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone of the server"),
		Incarnation: rapid.Int64Range(1, 2).Draw(t, "incarnation"),
	}
}

// compare compares the candidates and counts of two balancers, and checks the counts that follow from the servers.
func compare(t *rapid.T, changed, updated *balancer.Balancer, servers []*events.Server) {
	type candidate struct {
		server       *events.Server
		weight, full float64
	}
	of := func(b *balancer.Balancer) (all []candidate) {
		for _, c := range b.Candidates() {
			all = append(all, candidate{c.Server(), c.Weight, c.Full})
		}
		return all
	}
	c, u := of(changed), of(updated)
	if !slices.Equal(c, u) {
		t.Fatalf("candidates after Change: %v\nafter Update: %v", c, u)
	}
	if changed.Stats() != updated.Stats() {
		t.Fatalf("counts after Change: %+v, after Update: %+v", changed.Stats(), updated.Stats())
	}
	members := 0
	for _, s := range servers {
		if s != nil {
			members++
		}
	}
	if s := changed.Stats(); s.Servers != members || s.Candidates != len(c) {
		t.Fatalf("%d servers and %d candidates, but the counts are %+v", members, len(c), s)
	}
	for _, d := range c {
		if !slices.Contains(servers, d.server) {
			t.Fatalf("the candidate %v is not a member", d.server)
		}
	}
}

// A change of most servers is applied in slices.
func TestChangeOfManyServers(t *testing.T) {
	for _, policy := range balancer.Policies() {
		t.Run(string(policy), func(t *testing.T) {
			const n = 5000
			b := mustNew(t, balancer.Config{Policy: policy})
			all, none := differing(n), make([]*events.Server, n)
			b.Change(pairs(none, all), start)
			if s := b.Stats(); s.Servers != n || s.Candidates != n {
				t.Errorf("got %+v, want %d servers", s, n)
			}
			b.Pick(0, nil)
			suspects := suspected(n-1, differing(n))
			b.Change(pairs(all, suspects), start)
			if s := b.Stats(); !s.Panic || s.Suspects != n-1 || s.Candidates != n {
				t.Errorf("got %+v, want %d suspects", s, n-1)
			}
			few := slices.Clone(none)
			few[7] = all[7]
			b.Change(pairs(suspects, few), start)
			for key := range uint64(100) {
				if got := idOf(b.Pick(key, nil)); got != all[7].ID {
					t.Fatalf("picked %q, want %s", got, all[7].ID)
				}
			}
			b.Change(pairs(few, none), start)
			if got := b.Pick(0, nil); got != nil {
				t.Errorf("picked %s, want no server", idOf(got))
			}
		})
	}
}

// The servers of several blocks get requests by weight.
func TestDistributionAmongManyServers(t *testing.T) {
	const n = 200_000
	for _, policy := range []balancer.Policy{balancer.P2C, balancer.Random, balancer.RoundRobin, balancer.LeastLoad} {
		t.Run(string(policy), func(t *testing.T) {
			all := differing(1000)
			b := mustNew(t, balancer.Config{Policy: policy})
			b.Update(all, start)
			var rest []*events.Server
			for i, s := range all {
				if i < 200 || i%3 == 0 { // so that the blocks have different weights
					rest = append(rest, s)
				} else {
					b.Change(changes(s, nil), start)
				}
			}
			wantShares(t, picked(b, n), n, sharesOf(rest))
		})
	}
}
