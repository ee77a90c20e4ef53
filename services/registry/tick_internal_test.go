package registry

import (
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
)

// While a tick with many due servers is judged, calls are served, and a heartbeat that arrives meanwhile renews its server.
func TestTickInSteps(t *testing.T) {
	const servers = 3 * judgeStep
	s := mustState(t, Config{MaxServers: servers})
	start := time.Now()
	warm(s, start)
	observe := func(i int, seq uint64, at time.Time) {
		s.observe(newMessage(plainBeat(i, seq), events.Receipt{Via: "nsqd-1", PublishedAt: at.Round(0), ReceivedAt: at}))
	}
	for i := range servers {
		observe(i, 1, start)
	}
	at := start
	for ; s.suspects == 0; at = at.Add(s.cfg.Tick) {
		s.beginTick(at, nil)
		if len(s.due) == 0 {
			s.judgeDue(judgeStep)
			continue
		}
		if len(s.due) != servers {
			t.Fatalf("%d servers are due, want %d", len(s.due), servers)
		}
		if !s.judgeDue(judgeStep) || s.suspects != judgeStep {
			t.Fatalf("%d suspects after the first step, want %d", s.suspects, judgeStep)
		}
	}
	last := s.due[servers-1]
	for i := range servers {
		if plainBeat(i, 1).ID == last.view.ID {
			observe(i, 2, at)
		}
	}
	gone := s.due[servers-2]
	s.remove(gone, stepLeft, s.dueAt)
	for s.judgeDue(judgeStep) {
	}
	if s.suspects != servers-2 || last.suspect || gone.suspect {
		t.Errorf("%d of %d servers are suspect, want all but the one with a heartbeat and the one that left", s.suspects, servers)
	}
	if len(s.due) != 0 {
		t.Error("the tick is not complete")
	}
}

// Tick returns when Run stops in the middle of the tick.
func TestTickEndsWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := New(Config{Observer: "api-1"})
		if err != nil {
			t.Fatal(err)
		}
		result := make(chan error, 1)
		go func() { result <- r.Tick(t.Context(), time.Now(), nil) }()
		<-r.ticks // as Run would, which then ends
		close(r.done)
		if err := <-result; err != ErrStopped {
			t.Errorf("got %v, want ErrStopped", err)
		}
	})
}
