package registry

import (
	"fmt"
	"testing"
	"time"

	"rollcall/events"
)

// allocServers is a number of servers that fill several slots of the registry's timer wheel, and more than one bucket of its
// maps.
const allocServers = 1000

func plainBeat(i int, seq uint64) *events.Heartbeat {
	return &events.Heartbeat{V: 1, Type: events.KindHeartbeat, Service: "data", ID: fmt.Sprint(i), Addr: fmt.Sprint("10.0.0.1:", 1000+i), Incarnation: 1, Seq: seq,
		IntervalMS: 5000, TTLMS: 10000, Weight: 100, Tags: []string{"blue"}, Load: &events.Load{InFlight: 1}}
}

func filledState(t *testing.T, now time.Time) *state {
	t.Helper()
	s := mustState(t, Config{})
	for i := range allocServers {
		s.observe(newMessage(plainBeat(i, 1), events.Receipt{Via: "nsqd-1", PublishedAt: now.Round(0), ReceivedAt: now}))
	}
	return s
}

func TestRenewalAllocatesNothing(t *testing.T) {
	now := time.Now()
	s := filledState(t, now)
	beats := make([]*events.Heartbeat, allocServers)
	for i := range beats {
		beats[i] = plainBeat(i, 1)
	}
	vias := [2]string{"nsqd-1", "nsqd-2"}
	if got := testing.AllocsPerRun(5, func() {
		now = now.Add(time.Second)
		for i, h := range beats {
			h.Seq++
			if v := s.observe(newMessage(h, events.Receipt{Via: vias[(h.Seq+uint64(i))%2], PublishedAt: now.Round(0), ReceivedAt: now})); v != outcomeTaken {
				t.Fatalf("outcome %v, want taken", v)
			}
		}
	}); got != 0 {
		t.Errorf("%d renewals allocate %v times, want 0", allocServers, got)
	}
}

func TestTickAllocatesNothingIfNoServerIsDue(t *testing.T) {
	now := time.Now()
	s := filledState(t, now)
	if got := testing.AllocsPerRun(20, func() {
		now = now.Add(250 * time.Millisecond)
		s.tick(now, nil)
	}); got != 0 {
		t.Errorf("a tick allocates %v times, want 0", got)
	}
	if s.revision != allocServers {
		t.Error("a server was due")
	}
}
