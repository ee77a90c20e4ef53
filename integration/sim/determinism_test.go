package sim

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Duplicates and disorder change no event, as long as every message arrives before its server would be suspected. So two API servers that
// receive the same messages in different orders emit the same events.
func TestSimulationEventsDoNotDependOnOrder(t *testing.T) {
	for seed := uint64(1); seed <= *seedsFlag; seed += 20 {
		ordered := playEvents(t, seed, network{})
		disordered := playEvents(t, seed, network{copies: 9, late: 0.5, lateBy: 1400 * time.Millisecond})
		if len(ordered) != serverCount {
			t.Fatalf("seed %d: events about %d servers, want %d", seed, len(ordered), serverCount)
		}
		for _, id := range slices.Sorted(maps.Keys(ordered)) {
			if !slices.Equal(ordered[id], disordered[id]) {
				t.Errorf("seed %d: the events of %s are\n%s\nand with duplicates and disorder\n%s", seed, id, joinLines(ordered[id]), joinLines(disordered[id]))
			}
		}
	}
}

// playEvents plays deaths and leaves, for which every API server emits the same events. Other events can differ, because they depend on the
// order of messages: a suspect server recovers by a heartbeat or by a probe, and a replaced event contains the last heartbeat that the API
// server received.
func playEvents(t *testing.T, seed uint64, n network) (byServer map[string][]string) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed, serverCount, n)
		w.audit.eventsByServer = make(map[string][]string)
		stopAndLeave(w)
		w.run(faultsBegin + 40*time.Second)
		byServer = w.audit.eventsByServer
	})
	return byServer
}

func joinLines(lines []string) (s string) {
	for _, l := range lines {
		s += fmt.Sprintf("\t%s\n", l)
	}
	return s
}

// Two runs with the same seed must emit the same events. Otherwise nobody could repeat a failure to examine it.
func TestSimulationIsDeterministic(t *testing.T) {
	play := func() (byServer map[string][]string) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 7, serverCount, network{loss: 0.05, late: 0.5, lateBy: 3 * time.Second})
			w.audit.eventsByServer = make(map[string][]string)
			stopAndLeave(w)
			w.at(faultsBegin, w.nsqd[0].hang)
			w.at(faultsBegin+5*time.Second, w.api.pause)
			w.at(faultsBegin+12*time.Second, w.api.resume)
			w.at(faultsBegin+20*time.Second, w.nsqd[0].resume)
			w.run(faultsBegin + 40*time.Second)
			byServer = w.audit.eventsByServer
		})
		return byServer
	}
	if first, second := play(), play(); !maps.EqualFunc(first, second, slices.Equal) {
		for id := range first {
			if !slices.Equal(first[id], second[id]) {
				t.Errorf("the events of %s are\n%s\nand in the second run\n%s", id, joinLines(first[id]), joinLines(second[id]))
			}
		}
	}
}
