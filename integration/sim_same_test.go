package integration

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// However often messages come and in whatever order, as long as all come within the slack of a lease, the same is told of each
// server: so two API servers that hear different things tell the same.
func TestSimulatedDisorderChangesNoEvent(t *testing.T) {
	for seed := uint64(1); seed <= *simSeeds; seed += 20 {
		calm := simTold(t, seed, simNetwork{})
		rough := simTold(t, seed, simNetwork{copies: 9, late: 0.5, lateBy: 1400 * time.Millisecond})
		if len(calm) != simServers {
			t.Fatalf("seed %d: something is told of %d servers, want %d", seed, len(calm), simServers)
		}
		for _, id := range slices.Sorted(maps.Keys(calm)) {
			if !slices.Equal(calm[id], rough[id]) {
				t.Errorf("seed %d: of %s is told\n%s\nand with duplicates and disorder\n%s", seed, id, simLines(calm[id]), simLines(rough[id]))
			}
		}
	}
}

// simTold plays what every API server tells in the same words. Of the rest some depends on what came first: a server that is
// suspect recovers by a heartbeat or by a probe, and the event of its replacement names the last heartbeat that was heard.
func simTold(t *testing.T, seed uint64, n simNetwork) (told map[string][]string) {
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, seed, simServers, n)
		w.audit.told = make(map[string][]string)
		simEnds(w)
		w.run(simCalm + 40*time.Second)
		told = w.audit.told
	})
	return told
}

func simLines(lines []string) (s string) {
	for _, l := range lines {
		s += fmt.Sprintf("\t%s\n", l)
	}
	return s
}

// A failure of the simulation is worth nothing if it cannot be seen again.
func TestSimulationReproduces(t *testing.T) {
	play := func() (told map[string][]string) {
		synctest.Test(t, func(t *testing.T) {
			w := newSimWorld(t, 7, simServers, simNetwork{loss: 0.05, late: 0.5, lateBy: 3 * time.Second})
			w.audit.told = make(map[string][]string)
			simEnds(w)
			w.at(simCalm, w.nsqd[0].hang)
			w.at(simCalm+5*time.Second, w.api.halt)
			w.at(simCalm+12*time.Second, w.api.proceed)
			w.at(simCalm+20*time.Second, w.nsqd[0].resume)
			w.run(simCalm + 40*time.Second)
			told = w.audit.told
		})
		return told
	}
	if first, second := play(), play(); !maps.EqualFunc(first, second, slices.Equal) {
		for id := range first {
			if !slices.Equal(first[id], second[id]) {
				t.Errorf("of %s is told\n%s\nand the second time\n%s", id, simLines(first[id]), simLines(second[id]))
			}
		}
	}
}
