package registry

import (
	"context"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
)

// A process that restarts after its clock was set back has an older incarnation. After the newer incarnation has left, two
// heartbeats register the older incarnation if they are at least half an interval apart. One heartbeat is enough if it comes a TTL
// after the leave.
func TestOlderIncarnationRegistersAfterTheNewerOneLeft(t *testing.T) {
	ttl := plainBeat(1, 1).TTL()
	for _, tt := range []struct {
		name string
		at   []time.Duration // times of the heartbeats after the leave
		want []outcome
	}{
		{"two heartbeats, half an interval apart", []time.Duration{time.Second, time.Second + plainBeat(1, 1).Interval()/2}, []outcome{outcomeUnproven, outcomeTaken}},
		{"two heartbeats, less than half an interval apart", []time.Duration{time.Second, time.Second + plainBeat(1, 1).Interval()/2 - 1}, []outcome{outcomeUnproven, outcomeUnproven}},
		{"one heartbeat, a TTL after the leave", []time.Duration{ttl}, []outcome{outcomeTaken}},
		{"one heartbeat, less than a TTL after the leave", []time.Duration{ttl - 1}, []outcome{outcomeUnproven}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newState(Config{Observer: "api-1", Interval: time.Second, TTL: time.Second, Tick: time.Second, MaxServers: 10, Outbox: 100})
			start := time.Now()
			beat := func(incarnation int64, kind events.Kind, at time.Duration) outcome {
				h := plainBeat(1, 1)
				h.Incarnation, h.Type = incarnation, kind
				received := start.Add(at)
				return s.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: received.Round(0), ReceivedAt: received}))
			}
			beat(2000, events.KindHeartbeat, 0)
			if got := beat(2000, events.KindLeave, time.Second); got != outcomeTaken {
				t.Fatalf("outcome of the leave is %v, want taken", got)
			}
			for i, at := range tt.at {
				if got := beat(1000, events.KindHeartbeat, time.Second+at); got != tt.want[i] {
					t.Errorf("outcome %v after the leave is %v, want %v", at, got, tt.want[i])
				}
			}
		})
	}
}

// Messages in the mailbox were already acked, so nsqd does not deliver them again. Therefore Run applies them before it returns,
// and their events can still be published.
func TestRunAppliesTheMailboxBeforeItReturns(t *testing.T) {
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
		t.Errorf("%d unsent events, want %d", got, beats)
	}
}

// The event id of a replacement does not depend on which heartbeat of the older incarnation arrived last.
func TestReplacementHasOneEventID(t *testing.T) {
	play := func(seqs ...uint64) (ids []string) {
		s := mustState(t, Config{})
		now := time.Now()
		for _, seq := range seqs {
			s.observe(newMessage(plainBeat(1, seq), events.Receipt{Via: "nsqd-1", PublishedAt: now, ReceivedAt: now}))
		}
		again := plainBeat(1, 1)
		again.Incarnation = 2
		s.observe(newMessage(again, events.Receipt{Via: "nsqd-1", PublishedAt: now, ReceivedAt: now}))
		for _, e := range s.outbox.all() {
			ids = append(ids, e.Details().ID)
		}
		return ids
	}
	one, two := play(1), play(1, 2)
	if len(one) != 3 || !slices.Equal(one, two) { // the events are registered, replaced and registered
		t.Errorf("got %q and %q, want the same three", one, two)
	}
}

func TestRepeatedReplacementHasAnotherEventID(t *testing.T) {
	s := mustState(t, Config{Probing: true})
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	warm(s, now)
	observe := func(id string, incarnation int64, seq uint64) {
		now = now.Add(5 * time.Second)
		s.tick(now, nil)
		h := plainBeat(1, seq)
		h.ID, h.Incarnation = id, incarnation
		s.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: now, ReceivedAt: now}))
	}
	observe("x", 1, 1)
	observe("y", 2, 1) // server y takes the address of server x
	y := s.servers[key{"data", "y"}]
	for range 2 { // the second refused probe expires server y
		e := Evidence{Probe: Probe{Service: "data", ID: "y", Addr: y.view.Addr, Incarnation: 2}, Finding: FindingRefused, Source: SourceProbe}
		now = now.Add(time.Second)
		e.Began, e.Ended = now, now
		s.report(e)
	}
	observe("x", 1, 2)
	observe("y", 2, 3)
	observe("y", 2, 4) // the second heartbeat registers server y again, and y takes the address of x again
	var ids []string
	for _, e := range s.outbox.all() {
		if e.Type() == events.TypeReplaced {
			ids = append(ids, e.Details().ID)
		}
	}
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Errorf("ids %q, want two", ids)
	}
}

// BenchmarkFleetDies measures the step of a tick that needs most processor time, while all servers become suspect and expire. A long step would
// delay heartbeats and /livez. The wall clock would also measure what other processes take of the processor.
func BenchmarkFleetDies(b *testing.B) {
	const servers = 100_000
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for b.Loop() {
		s := mustState(b, Config{MaxServers: servers, Outbox: 1})
		start := time.Now()
		warm(s, start)
		for i := range servers {
			s.observe(newMessage(plainBeat(i, 1), events.Receipt{Via: "nsqd-1", PublishedAt: start.Round(0), ReceivedAt: start}))
		}
		var begin, step time.Duration
		measure := func(slowest *time.Duration, f func()) {
			began := threadTime(b)
			f()
			s.members() // Run sends the membership to its watchers after each step
			*slowest = max(*slowest, threadTime(b)-began)
		}
		for at := time.Duration(0); at < 40*time.Second; at += s.cfg.Tick {
			measure(&begin, func() { s.beginTick(start.Add(at), nil) })
			for more := true; more; {
				measure(&step, func() { more = s.judgeDue(judgeStep) })
			}
		}
		b.ReportMetric(float64(begin.Microseconds())/1000, "ms/slowest-begin")
		b.ReportMetric(float64(step.Microseconds())/1000, "ms/slowest-step")
		if len(s.servers) != 0 {
			b.Fatalf("%d servers are still registered", len(s.servers))
		}
	}
}

// threadTime returns the processor time of the current thread.
func threadTime(b *testing.B) time.Duration {
	b.Helper()
	const thread = 1 // RUSAGE_THREAD of Linux
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		b.Skip("this system does not measure the processor time of a thread: ", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
