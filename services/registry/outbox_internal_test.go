package registry

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"rollcall/events"
)

// takeAll empties the outbox and returns its events.
func takeAll(s *state) []events.Event {
	all := s.outbox.all()
	s.outbox.taken()
	return all
}

func revisions(batch []events.Event) (all []uint64) {
	for _, e := range batch {
		all = append(all, e.Details().Revision)
	}
	return all
}

func TestOutboxBatches(t *testing.T) {
	o := outbox{max: 1000}
	pushed, taken := uint64(0), uint64(0)
	push := func(n int) {
		for range n {
			pushed++
			o.push(events.ModeChanged{Transition: events.Transition{Revision: pushed}})
		}
	}
	take := func(want int) []events.Event {
		t.Helper()
		batch := o.batch()
		if len(batch) != want {
			t.Fatalf("%d events after revision %d, want %d", len(batch), taken, want)
		}
		for _, revision := range revisions(batch) {
			if taken++; revision != taken {
				t.Fatalf("revision %d, want %d", revision, taken)
			}
		}
		o.taken()
		return batch
	}
	take(0)
	push(1)
	first := take(1)
	push(2)
	o.batch() // offered, but not taken: the events that follow join the batch
	push(300)
	take(256)
	take(46)
	push(512)
	take(256)
	take(256)
	take(0)
	if first[0].Details().Revision != 1 || o.queue != nil {
		t.Errorf("a batch that was taken has revision %d, want 1; the queue is %v, want nil", first[0].Details().Revision, o.queue)
	}
}

func TestOutboxDropsTheOldestEvent(t *testing.T) {
	for offered := range 4 {
		t.Run(fmt.Sprint(offered, " events were offered before"), func(t *testing.T) {
			o := outbox{max: 3}
			for revision := range uint64(5) {
				o.push(events.ModeChanged{Transition: events.Transition{Revision: revision + 1}})
				if int(revision) < offered {
					o.batch()
				}
			}
			if got := fmt.Sprint(revisions(o.batch())); got != "[3 4 5]" || o.dropped != 2 || o.len() != 3 {
				t.Errorf("revisions %s, %d dropped, length %d; want [3 4 5], 2 and 3", got, o.dropped, o.len())
			}
		})
	}
}

func TestOutboxHasRoomForTwoEventsOfEachServer(t *testing.T) {
	for _, tt := range []struct{ servers, configured, want int }{
		{0, 0, 200_000},
		{100_000, 0, 200_000},
		{1_000_000, 0, 2_000_000},
		{10, 0, 65_536},
		{100_000, 3, 3},
	} {
		c := Config{MaxServers: tt.servers, Outbox: tt.configured}
		if c.setDefaults(); c.Outbox != tt.want {
			t.Errorf("%d servers, %d configured: got %d, want %d", tt.servers, tt.configured, c.Outbox, tt.want)
		}
	}
}

// An event describes the server at the time of the transition, although it is made later.
func TestEventDoesNotChangeWhileItWaits(t *testing.T) {
	now := time.Now()
	s := mustState(t, Config{Observer: "api-1"})
	observe := func(seq uint64, weight int) {
		h := plainBeat(1, seq)
		h.Weight = weight
		now = now.Add(time.Second)
		observeAt(s, h, now)
	}
	observe(1, 100)
	observe(2, 50)
	observe(3, 0)
	for i, e := range takeAll(s) {
		d := e.Details()
		weight := []int{100, 50, 0}[i]
		if d.Server.Weight != weight || d.Server.Seq != uint64(i)+1 || d.Revision != uint64(i)+1 || d.Observer != "api-1" || !d.LastSeen.Equal(d.Server.LastSeen) {
			t.Errorf("event %d: %+v", i+1, d)
		}
		if i > 0 && !d.Time.Equal(wall(now.Add(time.Duration(i-2)*time.Second).UnixNano())) {
			t.Errorf("event %d has the time %v", i+1, d.Time)
		}
	}
}

// BenchmarkMemoryPerEvent measures what an event that waits adds to the memory of the registry.
func BenchmarkMemoryPerEvent(b *testing.B) {
	const servers = 100_000
	for b.Loop() {
		s := mustState(b, Config{Observer: "api-1"})
		now := time.Now()
		for i := range servers {
			observeAt(s, plainBeat(i, 1), now)
		}
		with := heapInUse()
		s.outbox = outbox{}
		b.ReportMetric(float64(with-heapInUse())/servers, "B/event")
		runtime.KeepAlive(s)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
