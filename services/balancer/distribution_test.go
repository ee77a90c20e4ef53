package balancer_test

import (
	"math"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// sigmas is how far a count may be off its mean. One in 500 million counts is further off by chance.
const sigmas = 6

// wantShares checks counts of n picks against shares, which are probabilities.
func wantShares(t *testing.T, got map[string]int, n int, shares map[string]float64) {
	t.Helper()
	for id, p := range shares {
		mean, sigma := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
		if off := math.Abs(float64(got[id]) - mean); off > sigmas*sigma+1e-9 {
			t.Errorf("%s was chosen %d times, want %.0f: %.1f sigma off", id, got[id], mean, off/sigma)
		}
	}
	total := 0
	for id, count := range got {
		total += count
		if _, ok := shares[id]; !ok {
			t.Errorf("%q was chosen %d times, want never", id, count)
		}
	}
	if total != n {
		t.Errorf("%d picks, want %d", total, n)
	}
}

// sharesOf are the weights of servers over their sum.
func sharesOf(all []*events.Server) map[string]float64 {
	total := 0
	for _, s := range all {
		total += s.Weight
	}
	shares := make(map[string]float64)
	for _, s := range all {
		shares[s.ID] = float64(s.Weight) / float64(total)
	}
	return shares
}

func TestIdleServersShareByWeight(t *testing.T) {
	const n = 200_000
	for _, policy := range balancer.Policies() {
		for _, test := range []struct {
			name    string
			servers []*events.Server
		}{
			{"one", servers(7)},
			{"two", servers(1, 9)},
			{"equal weights", same(5)},
			{"one has nearly all", servers(1, 1000, 1, 2)},
			{"all different", servers(1, 2, 3, 5, 8, 13, 21, 34, 55, 89)},
		} {
			t.Run(string(policy)+"/"+test.name, func(t *testing.T) {
				b := mustNew(t, balancer.Config{Policy: policy})
				b.Update(test.servers, start)
				if policy == balancer.Hash { // keys share slots: those are what is drawn
					counts := make(map[string]int)
					for id, c := range picked(b, 10*n) {
						counts[id] = c * (1 << 16) / (10 * n)
					}
					for id, p := range sharesOf(test.servers) {
						if off := math.Abs(float64(counts[id]) - p*(1<<16)); off > 2+sigmas*math.Sqrt(p*(1-p)*(1<<16)) {
							t.Errorf("%s has %d slots, want %.0f", id, counts[id], p*(1<<16))
						}
					}
					return
				}
				wantShares(t, picked(b, n), n, sharesOf(test.servers))
			})
		}
	}
}

// With p2c, one that has requests in flight is chosen only where it is drawn twice.
func TestP2CPrefersTheLessLoadedByWeight(t *testing.T) {
	for _, test := range []struct {
		name     string
		weights  []int
		inFlight []int
		want     string // is always chosen of these two
	}{
		{"fewer requests", []int{100, 100}, []int{1, 2}, "s0000"},
		{"whichever is first", []int{100, 100}, []int{2, 1}, "s0001"},
		{"more requests but more weight", []int{100, 1000}, []int{1, 9}, "s0001"},
		{"as many for its weight with one more", []int{100, 1000}, []int{1, 18}, "s0001"},
		{"too many for its weight", []int{100, 1000}, []int{1, 20}, "s0000"},
		{"one request of little weight more is more", []int{1, 100}, []int{0, 1}, "s0001"},
	} {
		for _, policy := range []balancer.Policy{balancer.P2C, balancer.LeastLoad} {
			t.Run(string(policy)+"/"+test.name, func(t *testing.T) {
				b := mustNew(t, balancer.Config{Policy: policy})
				b.Update(servers(test.weights...), start)
				ends := []*balancer.Endpoint{endpoint(t, b, "s0000"), endpoint(t, b, "s0001")}
				for i, e := range ends {
					for range test.inFlight[i] {
						e.Begin()
					}
				}
				if got := picked(b, 1000); got[test.want] != 1000 {
					t.Errorf("got %v, want %s only", got, test.want)
				}
			})
		}
	}
}

func TestP2CDrawsTwoOfThree(t *testing.T) {
	const n = 100_000
	b := mustNew(t, balancer.Config{})
	b.Update(same(3), start)
	busy := endpoint(t, b, "s0001")
	busy.Begin()
	// A busy one loses against any other, and the second is always another.
	if got := picked(b, n); got["s0001"] != 0 {
		t.Errorf("the busy one was chosen %d times of %d", got["s0001"], n)
	}
	b.Done(busy, balancer.Answered, start)
	wantShares(t, picked(b, n), n, sharesOf(same(3)))
}

func TestP2CDrawsTheSecondByWeightToo(t *testing.T) {
	const n = 200_000
	b := mustNew(t, balancer.Config{})
	b.Update(servers(100, 95, 55), start)
	endpoint(t, b, "s0000").Begin()
	// Where the busy one is drawn first, of the draws for another 0.4 hit it again; after three of those it
	// is one of the two others alike.
	light := 0.22 + 0.4*(0.22*(1+0.4+0.4*0.4)+0.4*0.4*0.4/2)
	wantShares(t, picked(b, n), n, map[string]float64{"s0001": 1 - light, "s0002": light})
}

func TestSlowStartGrowsToTheFullShare(t *testing.T) {
	const n = 200_000
	late := with(servers(0, 0, 100)[2], func(s *events.Server) {})
	for _, test := range []struct {
		name  string
		after time.Duration
		part  float64 // of its weight that the new server has
	}{
		{"a tenth at first", 0, 0.1},
		{"linear", 5 * time.Second, 0.55},
		{"in steps, never ahead of the line", 9999 * time.Millisecond, 0.975},
		{"all of it", 10 * time.Second, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, balancer.Config{Policy: balancer.Random})
			b.Update(same(2), start)
			came := start.Add(time.Hour)
			b.Update(append(same(2), late), came)
			b.Tick(came.Add(test.after))
			sum := 2 + test.part
			wantShares(t, picked(b, n), n, map[string]float64{"s0000": 1 / sum, "s0001": 1 / sum, "s0002": test.part / sum})
			wantStarting := 1
			if test.part == 1 {
				wantStarting = 0
			}
			if got := b.Stats().Starting; got != wantStarting {
				t.Errorf("%d starting, want %d", got, wantStarting)
			}
		})
	}
}

func TestSlowStartIsForNewServersOnly(t *testing.T) {
	restarted := with(same(1)[0], func(s *events.Server) { s.Incarnation++ })
	for _, test := range []struct {
		name     string
		cfg      balancer.Config
		updates  [][]*events.Server
		starting int
	}{
		{"those of the first update are not new", balancer.Config{}, [][]*events.Server{same(2)}, 0},
		{"an empty update is not the first", balancer.Config{}, [][]*events.Server{nil, same(2)}, 0},
		{"one that is heard a little later may have been there before", balancer.Config{SlowStart: 21 * time.Second}, [][]*events.Server{same(2), same(3)}, 0},
		{"one more", balancer.Config{SlowStart: 20 * time.Second}, [][]*events.Server{same(2), same(3)}, 1},
		{"a new incarnation", balancer.Config{}, [][]*events.Server{same(2), {restarted, same(2)[1]}}, 1},
		{"one that was lost and found", balancer.Config{}, [][]*events.Server{same(2), same(1), same(2)}, 0},
		{"one of after all were lost", balancer.Config{}, [][]*events.Server{same(1), nil, same(2)}, 1},
		{"switched off", balancer.Config{SlowStart: -1}, [][]*events.Server{same(2), same(3)}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := mustNew(t, test.cfg)
			now := start
			for _, u := range test.updates {
				b.Update(u, now)
				now = now.Add(20 * time.Second)
			}
			if got := b.Stats().Starting; got != test.starting {
				t.Errorf("%d starting, want %d", got, test.starting)
			}
		})
	}
}
