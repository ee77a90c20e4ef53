package registry

import (
	"context"
	"testing"
	"time"

	"rollcall/events"
)

// A restart with the clock set back has an older incarnation. It is an echo for a TTL, and then a server.
func TestAnOlderIncarnationIsTakenATTLAfterTheEndOfTheNewer(t *testing.T) {
	s := newState(Config{Observer: "api-1", Warmup: time.Second, Tick: time.Second, MaxServers: 10, Outbox: 100})
	start := time.Now()
	beat := func(incarnation int64, kind events.Kind, at time.Duration) verdict {
		h := plainBeat(1, 1)
		h.Incarnation, h.Type = incarnation, kind
		received := start.Add(at)
		return s.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: received.Round(0), ReceivedAt: received}))
	}
	ttl := plainBeat(1, 1).TTL()
	if got := beat(2000, events.KindHeartbeat, 0); got != taken {
		t.Fatalf("the newer one is %v", got)
	}
	if got := beat(2000, events.KindLeave, time.Second); got != taken {
		t.Fatalf("the leave is %v", got)
	}
	if got := beat(1000, events.KindHeartbeat, time.Second+ttl-time.Millisecond); got != outdated {
		t.Errorf("an older incarnation within the TTL is %v, want an echo", got)
	}
	if got := beat(1000, events.KindHeartbeat, time.Second+ttl); got != taken {
		t.Errorf("an older incarnation a TTL later is %v, want taken", got)
	}
}

// What was acked before the end is applied, so that its events can be flushed.
func TestRunAppliesWhatIsInTheMailboxBeforeItEnds(t *testing.T) {
	const beats = 1000
	r, err := New(Config{Observer: "api-1"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range beats {
		if err := r.Observe(t.Context(), plainBeat(i, 1), events.Receipt{Via: "nsqd-1", PublishedAt: now.Round(0), ReceivedAt: now}); err != nil {
			t.Fatal(err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := r.Run(ended); err != nil {
		t.Fatal(err)
	}
	if got := len(r.Unsent()); got != beats {
		t.Errorf("%d events are left, want %d", got, beats)
	}
}

// Half of a fleet may die together; that tick must not hold up whoever asks whether the registry is alive.
func BenchmarkExpireAll(b *testing.B) {
	const servers = 100_000
	for b.Loop() {
		s := newState(Config{Observer: "api-1", Warmup: time.Second, Tick: time.Second, MaxServers: servers, Outbox: 1})
		start := time.Now()
		for i := range servers {
			s.observe(newMessage(plainBeat(i, 1), events.Receipt{Via: "nsqd-1", PublishedAt: start.Round(0), ReceivedAt: start}))
		}
		began := time.Now()
		s.tick(start.Add(time.Hour))
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/tick")
		if len(s.order) != 0 || len(s.servers) != 0 {
			b.Fatal("some are left")
		}
	}
}
