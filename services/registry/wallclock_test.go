package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"rollcall/events"
)

// jump is t as it would be read after the wall clock was set forward: the monotonic reading stays. package time has no
// way to say that, so it is done to the seconds of its wall word, which begin at bit 30.
func jump(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	jumped := at
	*(*uint64)(unsafe.Pointer(&jumped)) += uint64(by/time.Second) << 30
	if jumped.Sub(at) != 0 || jumped.Round(0).Sub(at.Round(0)) != by {
		t.Fatalf("jumped by %v and on the monotonic clock by %v, want %v and 0", jumped.Round(0).Sub(at.Round(0)), jumped.Sub(at), by)
	}
	return jumped
}

// A clock that is set changes no lease, no order and no event, as long as the broker's stamps are set with it. A clock that is
// set back alone makes every beat look as if it had not waited.
func TestWallClockJumps(t *testing.T) {
	want := playJump(t, 0, 0)
	if len(want) != 8 { // b and c end, a stays; it gets warm
		t.Fatalf("got %q, want eight events", want)
	}
	for _, test := range []struct {
		name         string
		here, broker time.Duration
	}{
		{"an hour forward, on one machine with the broker", time.Hour, time.Hour},
		{"an hour back, on one machine with the broker", -time.Hour, -time.Hour},
		{"an hour back", -time.Hour, 0},
		{"an hour forward, at the broker", 0, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := playJump(t, test.here, test.broker); !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
		})
	}
}

// playJump plays a minute of three servers, two of which fall silent. After ten seconds the clocks are set.
func playJump(t *testing.T, here, broker time.Duration) []string {
	t.Helper()
	s := mustState(t, Config{})
	start := time.Now()
	lastWords := []time.Duration{time.Minute, 5 * time.Second, 25 * time.Second}
	for at := time.Duration(0); at <= time.Minute; at += 250 * time.Millisecond {
		received, published := start.Add(at), start.Add(at).Round(0)
		if at >= 10*time.Second {
			received, published = jump(t, received, here), published.Add(broker)
		}
		for i, last := range lastWords {
			if at%(5*time.Second) == 0 && at <= last {
				s.observe(newMessage(plainBeat(i, uint64(at/time.Second)+1), events.Receipt{Via: "nsqd-1", PublishedAt: published, ReceivedAt: received}))
			}
		}
		s.tick(received, nil)
	}
	lines := make([]string, 0, len(s.outbox.queue))
	for _, e := range s.outbox.queue {
		d := e.Details()
		lines = append(lines, fmt.Sprintf("#%d %s %s age=%d", d.Revision, e.Type(), d.Server.ID, d.Server.AgeMS))
	}
	return lines
}
