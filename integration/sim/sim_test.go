package sim

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
	seedsFlag = flag.Uint64("seeds", fewSeeds, "number of seeds for each scenario; with more than 3 the first seed simulates longer")
	seedFlag  = flag.Uint64("seed", 0, "simulate only this seed; seed 1 simulates longer")
	dayFlag   = flag.Bool("day", false, "also simulate 24 hours of loss, duplicates and disorder")
)

// fewSeeds is the default number of seeds. It is small, because every run of all tests includes the simulation. CI simulates more seeds.
const fewSeeds = 3

// serverCount is the number of servers unless a scenario says otherwise.
const serverCount = 1000

// The limits for the time from the death of a server to its expiry.
const (
	crashMedianLimit = 6 * time.Second
	crashLimit       = 8500 * time.Millisecond
	vanishLimit      = 10500 * time.Millisecond
)

// TestSimulation plays every scenario with several seeds, applies the naive rule to the same messages, and logs the results of the registry
// and of the naive rule.
func TestSimulation(t *testing.T) {
	scenarios := scenarios()
	if *dayFlag {
		scenarios = append(scenarios, dayScenarios()...)
	}
	first, last := uint64(1), *seedsFlag
	if *seedFlag > 0 {
		first, last = *seedFlag, *seedFlag
	}
	// Collect garbage less often. With the default setting, garbage collection takes a fifth of the time and frees little, because the few
	// megabytes of a world live as long as the world.
	defer debug.SetGCPercent(debug.SetGCPercent(800))

	rows := make([]result, len(scenarios))
	t.Run("seeds", func(t *testing.T) {
		for i, sc := range scenarios {
			for seed := first; seed <= last; seed++ {
				if sc.everyNthSeed > 0 && seed%sc.everyNthSeed != 1 && first != last {
					continue
				}
				length := sc.length
				if seed == 1 && (last > fewSeeds || *seedFlag == 1) {
					length = max(length, sc.long)
				}
				t.Run(fmt.Sprintf("%s/%d", sc.name, seed), func(t *testing.T) {
					t.Parallel()
					playScenario(t, sc, seed, length, &rows[i])
				})
			}
		}
	})
	t.Logf("%d servers over 3 nsqd, seeds %d to %d\n%s", serverCount, first, last, resultTable(scenarios, rows))
	if last-first < 2 { // fewer than three seeds prove nothing
		return
	}
	for i, sc := range scenarios {
		if sc.naiveFails && rows[i].naive == 0 && rows[i].virtual > 0 && first != last {
			t.Errorf("%s: the naive rule has no false expiry: does the scenario have a fault?", sc.name)
		}
		rows[i].check(t, sc)
	}
}

// playScenario plays a scenario with one seed and adds the outcome to row. It fails the test if a rule that holds for every seed is broken.
func playScenario(t *testing.T, sc scenario, seed uint64, length time.Duration, row *result) {
	var w *world
	defer func() { row.add(w) }() // add the outcome also after a failure
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t, seed, cmp.Or(sc.servers, serverCount), sc.network)
		if sc.play != nil {
			sc.play(w)
		}
		w.run(length)
		if w.audit.falseExpiries > 0 {
			t.Errorf("seed %d: %d running servers expired", seed, w.audit.falseExpiries)
		}
		if n := len(w.audit.detection.crashed) + len(w.audit.detection.vanished); n < sc.deaths {
			t.Errorf("seed %d: %d of %d dead servers were detected", seed, n, sc.deaths)
		}
	})
}

// result sums up a scenario over its seeds.
type result struct {
	mu         sync.Mutex
	naive      int // false expiries of the naive rule
	ours       int
	naiveFound detectionTimes
	found      detectionTimes
	virtual    time.Duration
}

func (r *result) add(w *world) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.naive += w.naive.falseExpiries
	r.ours += w.audit.falseExpiries
	r.naiveFound.join(w.naive.detection)
	r.found.join(w.audit.detection)
	r.virtual += time.Duration(w.now) * step
}

// check compares the detection times with their limits, unless nsqd or the API server has faults in the scenario.
func (r *result) check(t *testing.T, sc scenario) {
	t.Helper()
	if !sc.network.onlyServersFail {
		return
	}
	check := func(what string, got, limit time.Duration) {
		if got > limit {
			t.Errorf("%s: %s is detected after %v, want at most %v", sc.name, what, got, limit)
		}
	}
	if sc.deaths > 0 {
		check("a crash (median)", median(r.found.crashed), crashMedianLimit)
		check("a crash (worst)", worst(r.found.crashed), crashLimit)
		check("a black hole (worst)", worst(r.found.vanished), vanishLimit)
	}
}

// resultTable formats the results for people.
func resultTable(scenarios []scenario, rows []result) string {
	var b strings.Builder
	line := func(cells ...any) { fmt.Fprintf(&b, "%-58s %9v %7v %8v  %-15v %-15v\n", cells...) }
	line("", "simulated", "false", "", "found after", "")
	line("", "", "naive", "rollcall", "naive", "rollcall")
	for i := range rows {
		r := &rows[i]
		if r.virtual == 0 { // the scenario did not run, because the flag -run excluded it
			continue
		}
		line(scenarios[i].name, r.virtual.Round(time.Second), r.naive, r.ours, "", "")
		for _, f := range []struct {
			what        string
			naive, ours []time.Duration
		}{{"  crashed (median/worst)", r.naiveFound.crashed, r.found.crashed}, {"  black hole (median/worst)", r.naiveFound.vanished, r.found.vanished}} {
			if scenarios[i].deaths > 0 && len(f.naive)+len(f.ours) > 0 {
				line(f.what, "", "", "", medianAndWorst(f.naive), medianAndWorst(f.ours))
			}
		}
	}
	return b.String()
}

func medianAndWorst(d []time.Duration) string {
	if len(d) == 0 {
		return "never"
	}
	seconds := func(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }
	return fmt.Sprintf("%.1f/%.1f s", seconds(median(d)), seconds(worst(d)))
}
