package registry

import (
	"testing"
	"time"

	"rollcall/events"
)

// twinWorld is the state of a registry that receives canaries of several processes every second.
type twinWorld struct {
	state *state
	start time.Time
	now   time.Duration
}

func newTwinWorld(t *testing.T) *twinWorld {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return &twinWorld{state: mustState(t, Config{Started: start}), start: start}
}

// canary delivers a canary of the process with the given id. The process started at r.start plus the duration started. The
// parameter sent is the age of the canary, and the parameter delay becomes Receipt.Delay.
func (r *twinWorld) canary(id string, started, sent, delay time.Duration) {
	at := r.start.Add(r.now)
	h := &events.Heartbeat{V: 1, Type: events.KindCanary, ID: id, Incarnation: r.start.Add(started).UnixMilli(), Seq: uint64((r.now - sent - started).Microseconds())}
	r.state.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: at, ReceivedAt: at, Delay: delay}))
}

func (r *twinWorld) pass(d time.Duration, each func()) {
	for end := r.now + d; r.now < end; r.now += 250 * time.Millisecond {
		if r.now%time.Second == 0 {
			r.canary("api-1", 0, 0, 0) // a canary of this process
			each()
		}
		r.state.tick(r.start.Add(r.now), []string{"nsqd-1"})
	}
}

func (r *twinWorld) conflicts() (all []events.ConflictChanged) {
	for _, e := range r.state.outbox.all() {
		if c, ok := e.(events.ConflictChanged); ok {
			all = append(all, c)
		}
	}
	return all
}

func TestConflictWithAnotherProcessOfTheSameID(t *testing.T) {
	for _, tt := range []struct {
		name   string
		starts []time.Duration // when the other processes started, relative to the start of this process
		yields bool
		first  time.Duration // start of the process that Conflict must name, relative to the start of this process
	}{
		{"a process that started earlier", []time.Duration{-time.Hour}, true, -time.Hour},
		{"a process that started later", []time.Duration{3 * time.Second}, false, 3 * time.Second},
		{"a process whose clock is a day ahead", []time.Duration{24 * time.Hour}, false, 24 * time.Hour},
		{"two other processes", []time.Duration{5 * time.Second, -time.Second}, true, -time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newTwinWorld(t)
			r.pass(20*time.Second, func() {
				for _, s := range tt.starts {
					sent := time.Duration(0)
					if s > r.now { // a start in the future: the clock of the other process is ahead by s, and the process has run for as long as this process
						sent = -s
					}
					r.canary("api-1", s, sent, 0)
				}
			})
			c := r.state.members().Conflict
			if c == nil || c.Yields != tt.yields || !c.Started.Equal(r.start.Add(tt.first)) || r.state.stats().Conflict != c {
				t.Fatalf("conflict %+v, want start %v and yields %v", c, tt.first, tt.yields)
			}
			if since := c.Since.Sub(r.start); since > 9*time.Second {
				t.Errorf("detected after %v", since)
			}
			r.pass(8*time.Second, func() {})
			if c := r.state.members().Conflict; c != nil {
				t.Errorf("conflict %+v 8 s after the last canary, want none", c)
			}
			if changes := r.conflicts(); len(changes) != 2 || !changes[0].Conflict || changes[1].Conflict || changes[0].Cause != events.CauseDuplicate || changes[1].Cause != events.CauseCalm {
				t.Errorf("events %+v, want the beginning and the end", changes)
			}
		})
	}
}

func TestCanariesWithoutConflict(t *testing.T) {
	for name, each := range map[string]func(r *twinWorld){
		"of this process":             func(*twinWorld) {},
		"of another id":               func(r *twinWorld) { r.canary("api-2", -time.Hour, 0, 0) },
		"published before this start": func(r *twinWorld) { r.canary("api-1", -time.Hour, 0, r.now+time.Second) },
		"a backlog, while the clock of nsqd is unknown": func(r *twinWorld) {
			if r.now < 4*time.Second {
				for i := range 60 { // the canaries that the previous process sent within one minute arrive within one second
					r.canary("api-1", -time.Hour, 5*time.Minute+r.now-time.Duration(i)*time.Second-60*r.now, 0)
				}
			}
		},
		"the last canaries of a process that ends": func(r *twinWorld) {
			if r.now < 2*time.Second {
				r.canary("api-1", -time.Hour, 0, 0)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTwinWorld(t)
			r.pass(20*time.Second, func() { each(r) })
			if changes := r.conflicts(); len(changes) > 0 {
				t.Errorf("events %+v, want none", changes)
			}
		})
	}
}
