package balancer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/events"
)

// TestOwnersAfterChanges compares the owners that a table has after changes with the owners that are computed without a table.
func TestOwnersAfterChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, 0)
		b, err := New(Config{Policy: Hash})
		if err != nil {
			t.Fatal(err)
		}
		weights := make(map[int]int)
		for i := range 2*few + 16 {
			weights[i] = 1 + i*i%100
		}
		known := rapid.Uint64Range(1, 3).Draw(t, "keys between changes")
		key := uint64(0)
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			suspects := rapid.IntRange(few+5, few+11).Draw(t, "suspects") // near a half: they become candidates and cease to be
			var servers []*events.Server
			for i, w := range weights {
				s := &events.Server{ID: fmt.Sprint(i), State: events.StateAlive, Weight: w}
				if i < suspects {
					s.State = events.StateSuspect
				}
				servers = append(servers, s)
			}
			now = now.Add(time.Second)
			b.Update(servers, now)
			c := b.view.Load().candidates
			for range 100 * known { // some of these keys are new, the others were picked before the change
				key = (key + 1) % 500
				if got, want := b.Pick(key, nil), best(c, slotOf(key), nil).server; got != want {
					t.Fatalf("key %d: %s, want %s, of %d candidates", key, got.Server().ID, want.Server().ID, c.count)
				}
			}
			for range rapid.SampledFrom([]int{1, 1, 2, 4, many + 1}).Draw(t, "at once") {
				weights[rapid.IntRange(0, 2*few+20).Draw(t, "server")] = rapid.SampledFrom([]int{0, 1, 100, 100, 1000}).Draw(t, "weight")
			}
		}
	})
}

// An owner that a request computes during a change must not outlive the change.
func TestOwnerOfOldCandidatesIsNotKept(t *testing.T) {
	b, err := New(Config{Policy: Hash})
	if err != nil {
		t.Fatal(err)
	}
	var servers []*events.Server
	for i := range few + 2 {
		servers = append(servers, &events.Server{ID: fmt.Sprint(i), State: events.StateAlive, Weight: 100})
	}
	now := time.Unix(0, 0)
	b.Update(servers, now)
	old := b.view.Load().candidates
	gone := b.Pick(0, nil)
	b.Update(slices.DeleteFunc(servers, func(s *events.Server) bool { return s == gone.Server() }), now)
	b.picker.(*rendezvous).keep(old, slotOf(0), bid{0, gone})
	if b.Pick(0, nil) == gone {
		t.Error("a server that was removed is picked")
	}
}
