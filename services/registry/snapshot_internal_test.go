package registry

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"rollcall/events"
)

// snapshotBefore returns a snapshot with data/0 and data/1 alive, data/2 suspect, and the tombstone of data/9, which left. It
// is taken 8 s after the first heartbeats.
func snapshotBefore(t *testing.T) (*Snapshot, time.Time) {
	t.Helper()
	s := mustState(t, Config{Probing: true})
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	warm(s, start)
	at := start
	publish := func(i int, seq uint64, kind events.Kind) {
		h := plainBeat(i, seq)
		h.Type = kind
		s.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: at, ReceivedAt: at}))
	}
	for _, i := range []int{0, 1, 2, 9} {
		publish(i, 1, events.KindHeartbeat)
	}
	publish(9, 2, events.KindLeave)
	for ; at.Sub(start) <= 8*time.Second; at = at.Add(s.cfg.Tick) {
		if at.Sub(start) == 5*time.Second {
			publish(0, 2, events.KindHeartbeat)
			publish(1, 2, events.KindHeartbeat)
		}
		s.tick(at, nil)
	}
	return mustCopy(t, snapshotOf(s, at)), at
}

// mustCopy encodes s as JSON and returns the snapshot that it decodes from this JSON.
func mustCopy(t *testing.T, s *Snapshot) *Snapshot {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var copied Snapshot
	if err := json.Unmarshal(text, &copied); err != nil {
		t.Fatal(err)
	}
	if err := copied.Validate(); err != nil {
		t.Fatal(err)
	}
	return &copied
}

// takeEvents removes and returns the events so far.
func takeEvents(s *state) []string {
	var lines []string
	for _, e := range takeAll(s) {
		lines = append(lines, eventLine(e))
	}
	return lines
}

func statesOf(s *state) []events.State {
	var all []events.State
	for v := range s.members().All() {
		all = append(all, v.State)
	}
	return all
}

func takeProbes(s *state) []string {
	var ids []string
	for q, ok := s.nextProbe(); ok; q, ok = s.nextProbe() {
		ids = append(ids, q.ID)
		s.probes.taken(s.clock.last)
	}
	return ids
}

func TestRestoredServersAreSuspectsAndProbedAtOnce(t *testing.T) {
	saved, at := snapshotBefore(t)
	s := mustState(t, Config{Probing: true, Restore: saved})
	if got := statesOf(s); !slices.Equal(got, []events.State{"suspect", "suspect", "suspect"}) {
		t.Errorf("states %v", got)
	}
	at = at.Add(2 * time.Second)
	s.tick(at, nil)
	if got := takeProbes(s); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("probes of %v, want of all", got)
	}
	if m := s.members(); !m.Complete || m.Revision != saved.Revision || m.Mode != ModeWarming {
		t.Errorf("complete %v at revision %d in mode %s; want complete at %d, warming", m.Complete, m.Revision, m.Mode, saved.Revision)
	}
	// Server 0 answers a probe, and server 1 sends a heartbeat. Both were alive in the snapshot. Server 2, which was suspect in
	// the snapshot, answers a probe. Only the recovery of server 2 is an event.
	for _, id := range []int{0, 2} {
		s.report(evidenceOf(id, FindingIdentified, at))
	}
	s.observe(newMessage(plainBeat(1, 3), events.Receipt{Via: "nsqd-1", PublishedAt: at, ReceivedAt: at}))
	if got := statesOf(s); !slices.Equal(got, []events.State{"alive", "alive", "alive"}) {
		t.Errorf("states %v", got)
	}
	if got := takeEvents(s); len(got) != 1 || got[0][:len("#7 recovered (probe) data/2")] != "#7 recovered (probe) data/2" {
		t.Errorf("events %q, want the recovery of the server that was suspect before, at the next revision", got)
	}
}

func evidenceOf(i int, f Finding, at time.Time) Evidence {
	h := plainBeat(i, 1)
	return Evidence{
		Probe: Probe{Service: h.Service, ID: h.ID, Addr: h.Addr, Incarnation: h.Incarnation}, Finding: f, Source: SourceProbe, Began: at, Ended: at,
	}
}

func TestRestoredServerThatIsGoneEmitsSuspectedAndExpired(t *testing.T) {
	saved, at := snapshotBefore(t)
	s := mustState(t, Config{Probing: true, Restore: saved})
	s.tick(at, nil)
	s.report(evidenceOf(0, FindingRefused, at))
	s.report(evidenceOf(1, FindingSilent, at))
	want := []string{
		"#7 suspected (unreachable) data/0 inc=1 seq=2 suspect 10.0.0.1:1000 age=0s",
		"#8 expired (refused) data/0 inc=1 seq=2 suspect 10.0.0.1:1000 age=0s",
		"#9 suspected (unreachable) data/1 inc=1 seq=2 suspect 10.0.0.1:1001 age=0s",
	}
	if got := takeEvents(s); !slices.Equal(got, want) {
		t.Errorf("events %q\nwant %q", got, want)
	}
	for range 15 * 4 {
		at = at.Add(s.cfg.Tick)
		s.tick(at, nil)
		if got := takeEvents(s); len(got) > 0 && s.mode == ModeWarming {
			t.Errorf("events %q while warming", got)
		}
	}
}

func TestTombstonesSurviveARestart(t *testing.T) {
	saved, at := snapshotBefore(t)
	s := mustState(t, Config{Probing: true, Restore: saved})
	s.tick(at, nil)
	for _, test := range []struct {
		name string
		h    *events.Heartbeat
		want outcome
	}{
		{"a heartbeat of the server that left", plainBeat(9, 3), outcomeOutdated},
		{"an old heartbeat of a registered server", plainBeat(0, 1), outcomeOutdated},
		{"a new heartbeat of a registered server", plainBeat(0, 3), outcomeTaken},
	} {
		if got := s.observe(newMessage(test.h, events.Receipt{Via: "nsqd-1", PublishedAt: at, ReceivedAt: at})); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestOldSnapshotIsNotComplete(t *testing.T) {
	saved, at := snapshotBefore(t)
	s := mustState(t, Config{Restore: saved})
	s.tick(at.Add(FreshFor), nil)
	if s.members().Complete {
		t.Error("a snapshot of a minute ago counts as complete")
	}
}

// Two API servers that receive the same heartbeats, and get the same results of probes, emit events with the same ids.
func TestTwoObserversEmitTheSameEventIDs(t *testing.T) {
	play := func(observer string, late time.Duration) []string {
		s := mustState(t, Config{Probing: true})
		s.cfg.Observer = observer
		start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Add(late)
		warm(s, start)
		var ids []string
		for at := time.Duration(0); at < 40*time.Second; at += s.cfg.Tick {
			now := start.Add(at)
			if at <= 10*time.Second && at%(5*time.Second) == 0 {
				s.observe(newMessage(plainBeat(1, 1+uint64(at/(5*time.Second))), events.Receipt{Via: "nsqd-1", PublishedAt: now, ReceivedAt: now}))
			}
			s.tick(now, nil)
			for q, ok := s.nextProbe(); ok; q, ok = s.nextProbe() {
				s.probes.taken(s.clock.last)
				found := FindingIdentified
				if at > 25*time.Second {
					found = FindingRefused
				}
				s.report(Evidence{Probe: q, Finding: found, Source: SourceProbe, Began: now, Ended: now})
			}
		}
		for _, e := range takeAll(s) {
			if e.Type() != events.TypeMode {
				ids = append(ids, e.Details().ID)
			}
		}
		return ids
	}
	one, two := play("api-1", 0), play("api-2", 100*time.Millisecond)
	if len(one) != 5 || !slices.Equal(one, two) {
		t.Errorf("got %q\nand %q", one, two)
	}
	slices.Sort(one)
	if len(slices.Compact(one)) != len(two) {
		t.Error("two events have the same id")
	}
}

// Run saves a snapshot in steps. A restored server that recovers between two steps was not suspect for the subscribers before.
func TestServerThatRecoversDuringSnapshotIsNotSavedAsSuspect(t *testing.T) {
	saved, at := snapshotBefore(t)
	s := mustState(t, Config{Probing: true, Restore: saved})
	at = at.Add(2 * time.Second)
	s.tick(at, nil)
	next, blocks := s.snapshotHead(at), blocksOf(s.members().Services)
	for _, i := range []int{1, 2} {
		s.observe(newMessage(plainBeat(i, 3), events.Receipt{Via: "nsqd-1", PublishedAt: at, ReceivedAt: at}))
	}
	for _, b := range blocks {
		s.save(b, next, at)
	}
	var states []events.State
	for _, server := range next.Servers {
		states = append(states, server.State)
	}
	if !slices.Equal(states, []events.State{"alive", "alive", "suspect"}) {
		t.Errorf("saved %v, want only server 2 suspect, as in the snapshot before", states)
	}
}
