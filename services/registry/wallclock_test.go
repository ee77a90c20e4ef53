package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"rollcall/events"
)

// jump returns a copy of the time at. The copy has the same monotonic reading, but its wall time is later by the parameter by, as
// if the wall clock had been set forward before the clock was read. Package time has no function for this. Therefore jump changes
// the seconds in the field wall of time.Time, which start at bit 30.
func jump(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	jumped := at
	*(*uint64)(unsafe.Pointer(&jumped)) += uint64(by/time.Second) << 30
	if jumped.Sub(at) != 0 || jumped.Round(0).Sub(at.Round(0)) != by {
		t.Fatalf("jumped by %v and on the monotonic clock by %v, want %v and 0", jumped.Round(0).Sub(at.Round(0)), jumped.Sub(at), by)
	}
	return jumped
}

// A change of the wall clock changes no event.
func TestWallClockJumpsChangeNoEvent(t *testing.T) {
	want := playJump(t, 0, 0)
	if len(want) != 8 { // three registered, two suspected and two expired (b and c), and the end of mode warming
		t.Fatalf("got %q, want eight events", want)
	}
	for _, test := range []struct {
		name         string
		here, broker time.Duration
	}{
		{"an hour forward, here and at the broker", time.Hour, time.Hour},
		{"an hour back, here and at the broker", -time.Hour, -time.Hour},
		{"an hour back, here only", -time.Hour, 0},
		{"an hour forward, at the broker only", 0, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := playJump(t, test.here, test.broker); !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
		})
	}
}

// playJump plays one minute with three servers and returns the events. Two of the servers stop. After ten seconds, the clock of
// this process changes by the parameter here, and the clock of the broker by the parameter broker.
func playJump(t *testing.T, here, broker time.Duration) []string {
	t.Helper()
	s := mustState(t, Config{})
	start := time.Now()
	stops := []time.Duration{time.Minute, 5 * time.Second, 25 * time.Second}
	for at := time.Duration(0); at <= time.Minute; at += 250 * time.Millisecond {
		received, published := start.Add(at), start.Add(at).Round(0)
		if at >= 10*time.Second {
			received, published = jump(t, received, here), published.Add(broker)
		}
		for i, last := range stops {
			if at%(5*time.Second) == 0 && at <= last {
				s.observe(newMessage(plainBeat(i, uint64(at/time.Second)+1), events.Receipt{Via: "nsqd-1", PublishedAt: published, ReceivedAt: received}))
			}
		}
		s.tick(received, nil)
	}
	lines := make([]string, 0, s.outbox.len())
	for _, e := range s.outbox.all() {
		d := e.Details()
		lines = append(lines, fmt.Sprintf("#%d %s %s age=%d", d.Revision, e.Type(), d.Server.ID, d.Server.AgeMS))
	}
	return lines
}
