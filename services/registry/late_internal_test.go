package registry

import (
	"testing"
	"time"

	"rollcall/events"
)

// arrivals is a function that delivers the messages of one tick to the registry.
type arrivals func(s *state, now time.Duration, at time.Time)

func canaryVia(nsqd string, delay time.Duration) arrivals {
	return func(s *state, _ time.Duration, at time.Time) {
		canary := &events.Heartbeat{V: 1, Type: events.KindCanary, ID: "api-1"}
		s.observe(newMessage(canary, events.Receipt{Via: nsqd, PublishedAt: at.Add(-delay), ReceivedAt: at, Delay: delay}))
	}
}

func heartbeatVia(nsqd string, delay time.Duration) arrivals {
	seq := uint64(0)
	return func(s *state, _ time.Duration, at time.Time) {
		seq++
		s.observe(newMessage(plainBeat(1, seq), events.Receipt{Via: nsqd, PublishedAt: at.Add(-delay), ReceivedAt: at, Delay: delay}))
	}
}

// every returns a function that delivers the same messages as a, but only at times that are multiples of d.
func every(d time.Duration, a arrivals) arrivals {
	return func(s *state, now time.Duration, at time.Time) {
		if now%d == 0 {
			a(s, now, at)
		}
	}
}

func TestNotCompleteWhileMessagesAreLate(t *testing.T) {
	const onTime, late = 10 * time.Millisecond, 3 * time.Second
	for _, tt := range []struct {
		name     string
		messages []arrivals
		want     bool // whether the membership is complete after 8 s
	}{
		{"canaries on time", []arrivals{canaryVia("a", onTime), canaryVia("b", onTime)}, true},
		{"canaries late by exactly 1 s", []arrivals{canaryVia("a", time.Second), canaryVia("b", onTime)}, true},
		{"canaries late by more than 1 s", []arrivals{canaryVia("a", time.Second+1), canaryVia("b", onTime)}, false},
		{"canaries late, and heartbeats on time between them", []arrivals{canaryVia("a", late), heartbeatVia("a", onTime), canaryVia("b", onTime)}, false},
		{"canaries on time, and heartbeats that waited for their TTL", []arrivals{canaryVia("a", onTime), every(500*time.Millisecond, heartbeatVia("a", 10*time.Second)), canaryVia("b", onTime)}, false},
		{"canaries on time, and heartbeats late", []arrivals{canaryVia("a", onTime), heartbeatVia("a", late), canaryVia("b", onTime)}, true},
		{"every second canary is lost", []arrivals{every(2*time.Second, canaryVia("a", onTime)), heartbeatVia("a", onTime), canaryVia("b", onTime)}, false},
		{"a canary every second", []arrivals{every(time.Second, canaryVia("a", onTime)), every(time.Second, canaryVia("b", onTime))}, true},
		{"no canaries, and heartbeats late", []arrivals{heartbeatVia("a", late), canaryVia("b", onTime)}, false},
		{"no canaries, and heartbeats on time", []arrivals{heartbeatVia("a", onTime), canaryVia("b", onTime)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustState(t, Config{})
			start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
			play := func(from, to time.Duration, messages ...arrivals) {
				for now := from; now < to; now += testTick {
					at := start.Add(now)
					for _, h := range messages {
						h(s, now, at)
					}
					s.tick(at, []string{"a", "b"})
				}
			}
			play(0, 8*time.Second, tt.messages...)
			if got := s.members().Complete; got != tt.want {
				t.Errorf("complete %v after 8 s, want %v", got, tt.want)
			}
			play(8*time.Second, 12*time.Second, canaryVia("a", onTime), canaryVia("b", onTime))
			if got := s.members().Complete; got != tt.want {
				t.Errorf("complete %v after 4 s without lateness, want %v", got, tt.want)
			}
			play(12*time.Second, 14*time.Second, canaryVia("a", onTime), canaryVia("b", onTime))
			if !s.members().Complete {
				t.Error("not complete after an interval without lateness")
			}
			play(14*time.Second, 20*time.Second, canaryVia("a", late), canaryVia("b", late))
			if !s.members().Complete {
				t.Error("no longer complete: a late broker would end readiness")
			}
		})
	}
}

func TestLastProbeIsZeroAfterAHeartbeat(t *testing.T) {
	s := mustState(t, Config{Probing: true})
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	heartbeat := heartbeatVia("a", 0)
	lastProbe := func() time.Time { return vitalsOf(s).LastProbe }
	heartbeat(s, 0, start)
	var probed time.Time
	for now := time.Duration(0); now <= 9*time.Second; now += testTick {
		at := start.Add(now)
		s.tick(at, nil)
		if q, ok := s.nextProbe(); ok {
			s.probes.taken(s.clock.last)
			s.report(Evidence{Probe: q, Finding: FindingIdentified, Source: SourceProbe, Began: at, Ended: at})
			probed = at
		}
	}
	if got := lastProbe(); probed.IsZero() || !got.Equal(probed) {
		t.Errorf("last probe at %v, want %v", got, probed)
	}
	if view := vitalsOf(s); !view.LastSeen.Equal(start) {
		t.Errorf("last seen at %v, want the time of the heartbeat, %v", view.LastSeen, start)
	}
	heartbeat(s, 0, start.Add(9*time.Second))
	if got := lastProbe(); !got.IsZero() {
		t.Errorf("last probe at %v after a heartbeat, want none", got)
	}
}
