package registry

import (
	"fmt"
	"testing"
	"time"

	"rollcall/events"
)

// The registry keeps entries about ignored heartbeats. Heartbeats with invented ids must not use much memory, and must not
// displace the entries of registered servers.
func TestIgnoredIsBounded(t *testing.T) {
	s := mustState(t, Config{MaxServers: 2 * ignoredUnknown})
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	warm(s, start)
	observe := func(id string, incarnation int64, at time.Duration) {
		h := plainBeat(1, 1)
		h.ID, h.Addr, h.Incarnation = id, id+":80", incarnation
		received := start.Add(at)
		s.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: received, ReceivedAt: received}))
	}
	for i := range 2 * ignoredUnknown {
		observe(fmt.Sprint("server-", i), 2, 0)
	}
	for i := range 3 * ignoredUnknown {
		observe(fmt.Sprint("invented-", i), 2, time.Second) // the registry is full, so it ignores the heartbeat
	}
	if n := len(s.ignored.entries); n != ignoredUnknown {
		t.Errorf("%d entries of invented ids, want %d", n, ignoredUnknown)
	}
	observe("server-7", 1, 2*time.Second)
	if g := s.ignored.entries[key{"data", "server-7"}]; g == nil || g.why != objectionIncarnation || g.count != 1 {
		t.Errorf("entry of a registered server is %+v", g)
	}
	for why, want := range map[objection]uint64{objectionFull: 3 * ignoredUnknown, objectionIncarnation: 1} {
		if got := s.ignored.counts[why]; got != want {
			t.Errorf("%d heartbeats counted as %s, want %d", got, why.name(), want)
		}
	}
	s.tick(start.Add(10*time.Minute), nil)
	if n := len(s.ignored.entries); n != 0 {
		t.Errorf("%d entries after ten minutes, want none", n)
	}
}

// Processes that follow each other can have the same incarnation. Their events must still have different ids: otherwise a
// subscriber would take the events of the second process for duplicates.
func TestRestartWithTheSameIncarnationHasNewEventIDs(t *testing.T) {
	s := mustState(t, Config{})
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	warm(s, now)
	observe := func(seq uint64, weight int) {
		now = now.Add(5 * time.Second)
		s.tick(now, nil)
		h := plainBeat(1, seq)
		h.Weight = weight
		s.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: now, ReceivedAt: now}))
	}
	for _, weight := range []int{100, 50, 25} { // three processes; each changes its weight at seq 5
		for seq := range uint64(4) {
			observe(seq+1, weight)
		}
		observe(5, weight+1)
	}
	ids := make(map[string]bool)
	updates := 0
	for _, e := range s.outbox.all() {
		if ids[e.Details().ID] {
			t.Errorf("two events have the id of %s at revision %d", e.Type(), e.Details().Revision)
		}
		ids[e.Details().ID] = true
		switch e.Type() {
		case events.TypeUpdated:
			updates++
		case events.TypeExpired:
			t.Error("the server expired although it publishes")
		}
	}
	if updates != 5 {
		t.Errorf("%d updates, want 5", updates)
	}
}
