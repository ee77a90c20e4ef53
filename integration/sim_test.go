package integration

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	simSeeds = flag.Uint64("seeds", simFew, "simulate each scenario with so many seeds; with more than a few the first one at length")
	simSeed  = flag.Uint64("seed", 0, "simulate with this seed alone; 1 at length")
	simDay   = flag.Bool("day", false, "simulate 24 hours of loss, duplicates and disorder too")
)

// simFew is for every run of all tests; .ci/run has the rest.
const simFew = 3

// simServers is the size of the simulated roll.
const simServers = 1000

// What a true death may take to be found.
const (
	simMedianCrash = 6 * time.Second
	simWorstCrash  = 8500 * time.Millisecond
	simWorstVanish = 10500 * time.Millisecond
)

// TestSimulation plays every scenario with many seeds, with the naive rule beside it on the same deliveries, and prints
// what became of both.
func TestSimulation(t *testing.T) {
	scenarios := simScenarios()
	if *simDay {
		scenarios = append(scenarios, simDays()...)
	}
	first, last := uint64(1), *simSeeds
	if *simSeed > 0 {
		first, last = *simSeed, *simSeed
	}
	// A world is a few megabytes that live as long as it does; without this a fifth of the time goes to the collector.
	defer debug.SetGCPercent(debug.SetGCPercent(800))

	rows := make([]simRow, len(scenarios))
	t.Run("seeds", func(t *testing.T) {
		for i, sc := range scenarios {
			for seed := first; seed <= last; seed++ {
				if sc.rare > 0 && seed%sc.rare != 1 && first != last {
					continue
				}
				length := sc.length
				if seed == 1 && (last > simFew || *simSeed == 1) {
					length = max(length, sc.long)
				}
				t.Run(fmt.Sprintf("%s/%d", sc.name, seed), func(t *testing.T) {
					t.Parallel()
					simPlay(t, sc, seed, length, &rows[i])
				})
			}
		}
	})
	t.Logf("%d servers over 3 nsqd, seeds %d to %d\n%s", simServers, first, last, simTable(scenarios, rows))
	if last-first < 2 { // what few seeds do is no measure
		return
	}
	for i, sc := range scenarios {
		if sc.harm && rows[i].naive == 0 && rows[i].virtual > 0 && first != last {
			t.Errorf("%s: the naive rule does no harm: is there a fault at all?", sc.name)
		}
		rows[i].judge(t, sc)
	}
}

// simPlay simulates one scenario, adds it to its row, and fails for what must hold with each seed.
func simPlay(t *testing.T, sc simScenario, seed uint64, length time.Duration, row *simRow) {
	var w *simWorld
	defer func() { row.add(w) }() // also after a failure
	synctest.Test(t, func(t *testing.T) {
		w = newSimWorld(t, seed, cmp.Or(sc.servers, simServers), sc.network)
		if sc.play != nil {
			sc.play(w)
		}
		w.run(length)
		if w.audit.untrue > 0 {
			t.Errorf("seed %d: %d servers that run were expired", seed, w.audit.untrue)
		}
		if n := len(w.audit.found.crashed) + len(w.audit.found.vanished); n < sc.deaths {
			t.Errorf("seed %d: %d of %d dead servers were found", seed, n, sc.deaths)
		}
	})
}

// simRow sums up a scenario over its seeds.
type simRow struct {
	mu         sync.Mutex
	naive      int // false expiries
	ours       int
	naiveFound simDelays
	found      simDelays
	virtual    time.Duration
}

func (r *simRow) add(w *simWorld) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.naive += w.naive.wrong
	r.ours += w.audit.untrue
	r.naiveFound.join(w.naive.found)
	r.found.join(w.audit.found)
	r.virtual += time.Duration(w.now) * simStep
}

// judge holds the times of a scenario without other faults against the promise.
func (r *simRow) judge(t *testing.T, sc simScenario) {
	t.Helper()
	if !sc.network.bystander {
		return
	}
	check := func(what string, got, limit time.Duration) {
		if got > limit {
			t.Errorf("%s: %s is found after %v, want at most %v", sc.name, what, got, limit)
		}
	}
	if sc.deaths > 0 {
		check("a crash (median)", simMedian(r.found.crashed), simMedianCrash)
		check("a crash (worst)", simWorst(r.found.crashed), simWorstCrash)
		check("a black hole (worst)", simWorst(r.found.vanished), simWorstVanish)
	}
}

// simTable is for people.
func simTable(scenarios []simScenario, rows []simRow) string {
	var b strings.Builder
	line := func(cells ...any) { fmt.Fprintf(&b, "%-58s %9v %7v %8v  %-15v %-15v\n", cells...) }
	line("", "simulated", "false", "", "found after", "")
	line("", "", "naive", "rollcall", "naive", "rollcall")
	for i := range rows {
		r := &rows[i]
		if r.virtual == 0 { // left out by -run
			continue
		}
		line(scenarios[i].name, r.virtual.Round(time.Second), r.naive, r.ours, "", "")
		for _, f := range []struct {
			what        string
			naive, ours []time.Duration
		}{{"  crashed (median/worst)", r.naiveFound.crashed, r.found.crashed}, {"  black hole (median/worst)", r.naiveFound.vanished, r.found.vanished}} {
			if scenarios[i].deaths > 0 && len(f.naive)+len(f.ours) > 0 {
				line(f.what, "", "", "", simSpread(f.naive), simSpread(f.ours))
			}
		}
	}
	return b.String()
}

func simSpread(d []time.Duration) string {
	if len(d) == 0 {
		return "never"
	}
	seconds := func(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }
	return fmt.Sprintf("%.1f/%.1f s", seconds(simMedian(d)), seconds(simWorst(d)))
}
