package balancer_test

import (
	"math"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// sigmas is the largest deviation of a count from its mean, in standard deviations. One in 500 million counts exceeds it by chance.
const sigmas = 6

// wantShares checks that each server got its share of n picks. A share is the probability that a pick chooses the server.
func wantShares(t *testing.T, got map[string]int, n int, shares map[string]float64) {
	t.Helper()
	for id, p := range shares {
		mean, sigma := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
		if off := math.Abs(float64(got[id]) - mean); off > sigmas*sigma+1e-9 {
			t.Errorf("%s was chosen %d times, want %.0f: %.1f standard deviations off", id, got[id], mean, off/sigma)
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

// sharesOf returns the share of each server: its weight divided by the sum of all weights.
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
			{"one server", servers(7)},
			{"two servers", servers(1, 9)},
			{"equal weights", same(5)},
			{"one server has nearly all the weight", servers(1, 1000, 1, 2)},
			{"different weights", servers(1, 2, 3, 5, 8, 13, 21, 34, 55, 89)},
		} {
			t.Run(string(policy)+"/"+test.name, func(t *testing.T) {
				b := mustNew(t, balancer.Config{Policy: policy})
				b.Update(test.servers, start)
				if policy == balancer.Hash { // all keys of a slot go to the same server, so the sample consists of slots, not of keys
					counts := make(map[string]int)
					for id, c := range picked(b, 5*n) {
						counts[id] = c * (1 << 16) / (5 * n)
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

// There are only two servers, so the policy p2c draws both for each pick and compares them.
func TestP2CPrefersLessLoadedServerByWeight(t *testing.T) {
	for _, test := range []struct {
		name     string
		weights  []int
		inFlight []int
		want     string // id of the server that is always chosen
	}{
		{"fewer requests", []int{100, 100}, []int{1, 2}, "s0000"},
		{"fewer requests on the second server", []int{100, 100}, []int{2, 1}, "s0001"},
		{"more requests, but fewer for its weight", []int{100, 1000}, []int{1, 9}, "s0001"},
		{"equal for their weights with one more request", []int{100, 1000}, []int{1, 18}, "s0001"},
		{"more requests for its weight", []int{100, 1000}, []int{1, 20}, "s0000"},
		{"an idle server of small weight loses to a large one with one request", []int{1, 100}, []int{0, 1}, "s0001"},
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

func TestP2CDrawsTwoDistinctServers(t *testing.T) {
	const n = 100_000
	b := mustNew(t, balancer.Config{})
	b.Update(same(3), start)
	busy := endpoint(t, b, "s0001")
	busy.Begin()
	// The policy p2c never draws the same server twice for a pick, so it compares the busy server only with idle servers.
	if got := picked(b, n); got["s0001"] != 0 {
		t.Errorf("the busy server was chosen %d times of %d", got["s0001"], n)
	}
	b.Done(busy, balancer.Answered, start)
	wantShares(t, picked(b, n), n, sharesOf(same(3)))
}

func TestP2CDrawsSecondServerByWeight(t *testing.T) {
	const n = 200_000
	b := mustNew(t, balancer.Config{})
	b.Update(servers(100, 95, 55), start)
	endpoint(t, b, "s0000").Begin()
	// If the policy p2c draws the busy server first, each draw of the second server returns the busy server again with a probability of
	// 0.4. After three such draws, p2c chooses one of the two other servers with equal probability.
	light := 0.22 + 0.4*(0.22*(1+0.4+0.4*0.4)+0.4*0.4*0.4/2)
	wantShares(t, picked(b, n), n, map[string]float64{"s0001": 1 - light, "s0002": light})
}

func TestSlowStartGrowsToFullShare(t *testing.T) {
	const n = 200_000
	late := with(servers(0, 0, 100)[2], func(s *events.Server) {})
	for _, test := range []struct {
		name  string
		after time.Duration
		part  float64 // part of its weight that the new server has
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

func TestSlowStartAppliesToNewServersOnly(t *testing.T) {
	restarted := with(same(1)[0], func(s *events.Server) { s.Incarnation++ })
	for _, test := range []struct {
		name     string
		cfg      balancer.Config
		updates  [][]*events.Server
		starting int
	}{
		{"servers of the first update are not new", balancer.Config{}, [][]*events.Server{same(2)}, 0},
		{"an empty update does not count as the first", balancer.Config{}, [][]*events.Server{nil, same(2)}, 0},
		{"a server that appears before the first slow start would end may be old", balancer.Config{SlowStart: 21 * time.Second}, [][]*events.Server{same(2), same(3)}, 0},
		{"a server is added", balancer.Config{SlowStart: 20 * time.Second}, [][]*events.Server{same(2), same(3)}, 1},
		{"a new incarnation", balancer.Config{}, [][]*events.Server{same(2), {restarted, same(2)[1]}}, 1},
		{"a server that disappeared and returned", balancer.Config{}, [][]*events.Server{same(2), same(1), same(2)}, 0},
		{"a new server after all servers disappeared", balancer.Config{}, [][]*events.Server{same(1), nil, same(2)}, 1},
		{"slow start is off", balancer.Config{SlowStart: -1}, [][]*events.Server{same(2), same(3)}, 0},
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
