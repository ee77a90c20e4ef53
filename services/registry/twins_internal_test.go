package registry

import (
	"math/rand/v2"
	"testing"
	"time"

	"rollcall/events"
)

// Both processes vary their interval by a tenth. Therefore the registered process is sometimes silent for longer than an interval
// while heartbeats of the other process arrive. The other process must not replace it.
func TestTwoLiveProcessesWithOneIDDoNotTakeTurns(t *testing.T) {
	for _, tt := range []struct {
		name  string
		other events.Heartbeat // incarnation and first seq of the other process; the registered process has incarnation 2 and a high seq
	}{
		{"another incarnation", events.Heartbeat{Incarnation: 1, Seq: 1}},
		{"the same incarnation", events.Heartbeat{Incarnation: 2, Seq: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const interval, length = 5 * time.Second, 2 * time.Hour
			s := mustState(t, Config{})
			random := rand.New(rand.NewPCG(1, 1))
			start := time.Now()
			first := plainBeat(1, 1_000_000)
			first.Incarnation, first.IntervalMS, first.TTLMS = 2, interval.Milliseconds(), 2*interval.Milliseconds()
			second := *first
			second.Incarnation, second.Seq, second.Version = tt.other.Incarnation, tt.other.Seq, "other"
			due := [2]time.Duration{0, interval / 3}
			for now := time.Duration(0); now < length; now += 50 * time.Millisecond {
				for i, h := range []*events.Heartbeat{first, &second} {
					if now < due[i] {
						continue
					}
					at := start.Add(now)
					one := *h
					s.observe(newMessage(&one, events.Receipt{Via: "nsqd-1", PublishedAt: at.Round(0), ReceivedAt: at}))
					h.Seq++
					due[i] = now + time.Duration((0.9+0.2*random.Float64())*float64(interval))
				}
				s.tick(start.Add(now), nil)
			}
			if got := s.revision; got > 2 { // only one change of mode and one registration are allowed
				t.Errorf("%d transitions in %v", got, length)
			}
		})
	}
}
