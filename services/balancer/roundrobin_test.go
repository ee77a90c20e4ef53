package balancer_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"rollcall/services/balancer"
)

func TestRoundRobinDiffersFromShareByLessThanOneRequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 1000), 1, 60).Draw(t, "weights")
		b, err := balancer.New(balancer.Config{Policy: balancer.RoundRobin})
		if err != nil {
			t.Fatal(err)
		}
		all := servers(weights...)
		b.Update(all, start)
		shares := sharesOf(all)
		counts := make(map[string]float64)
		for picks := 1.0; picks <= 500; picks++ {
			counts[idOf(b.Pick(0, nil))]++
			for id, p := range shares {
				if off := counts[id] - picks*p; math.Abs(off) >= 1+1e-9 {
					t.Fatalf("after %v picks %s is %.3f requests off its share", picks, id, off)
				}
			}
		}
	})
}

// The balancer rebuilds the picker between picks, as it does in each step of a slow start.
func TestRoundRobinRotatesForEqualWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "servers")
		b, err := balancer.New(balancer.Config{Policy: balancer.RoundRobin})
		if err != nil {
			t.Fatal(err)
		}
		next := 0
		for range rapid.IntRange(1, 10).Draw(t, "builds") {
			all := servers(repeat(n, rapid.IntRange(1, 1000).Draw(t, "weight"))...)
			b.Update(all, start)
			for range rapid.IntRange(0, 3*n).Draw(t, "picks") {
				if got := idOf(b.Pick(0, nil)); got != all[next].ID {
					t.Fatalf("got %s, want %s", got, all[next].ID)
				}
				next = (next + 1) % n
			}
		}
	})
}

// Each Update adds or removes one server, and one pick follows. If a picker did not take over the state of the previous picker, the first
// server would get all requests.
func TestRoundRobinKeepsStateAcrossUpdates(t *testing.T) {
	for n := 2; n <= 9; n++ {
		b := mustNew(t, balancer.Config{Policy: balancer.RoundRobin, SlowStart: -1})
		counts := make(map[string]int)
		for i := range 300 * n {
			b.Update(same(n+i%2), start)
			counts[idOf(b.Pick(0, nil))]++
		}
		least, most := math.MaxInt, 0
		for _, s := range same(n) {
			least, most = min(least, counts[s.ID]), max(most, counts[s.ID])
		}
		if most-least > 2 {
			t.Errorf("the %d servers that stay got from %d to %d requests, want a difference of at most 2", n, least, most)
		}
	}
}

// A new server begins at the present virtual time: the requests that the others have had do not count.
func TestRoundRobinNewServerGetsNoBurst(t *testing.T) {
	const n = 10
	b := mustNew(t, balancer.Config{Policy: balancer.RoundRobin, SlowStart: -1})
	b.Update(same(n), start)
	picked(b, 1000)
	b.Update(same(n+1), start)
	if got := picked(b, 3*(n+1))[same(n + 1)[n].ID]; got != 3 {
		t.Errorf("the new server got %d of %d requests, want 3", got, 3*(n+1))
	}
}
