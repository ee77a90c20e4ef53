package registry

import (
	"testing"
	"time"

	"rollcall/events"
)

// rivals are API servers whose canaries a state hears each second.
type rivals struct {
	state *state
	start time.Time
	now   time.Duration
}

func newRivals(t *testing.T) *rivals {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return &rivals{state: mustState(t, Config{Started: start}), start: start}
}

// hear has a canary come that the process which started then sent ago, and that says it waited for delay.
func (r *rivals) hear(id string, started, sent, delay time.Duration) {
	at := r.start.Add(r.now)
	h := &events.Heartbeat{V: 1, Type: events.KindCanary, ID: id, Incarnation: r.start.Add(started).UnixMilli(), Seq: uint64((r.now - sent - started).Microseconds())}
	r.state.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: at, ReceivedAt: at, Delay: delay}))
}

func (r *rivals) pass(d time.Duration, each func()) {
	for end := r.now + d; r.now < end; r.now += 250 * time.Millisecond {
		if r.now%time.Second == 0 {
			r.hear("api-1", 0, 0, 0) // its own
			each()
		}
		r.state.tick(r.start.Add(r.now), []string{"nsqd-1"})
	}
}

func (r *rivals) told() (all []events.ConflictChanged) {
	for _, e := range r.state.outbox.queue {
		if c, ok := e.(events.ConflictChanged); ok {
			all = append(all, c)
		}
	}
	return all
}

func TestAnotherProcessWithTheSameID(t *testing.T) {
	for _, tt := range []struct {
		name   string
		starts []time.Duration // of the other processes
		yields bool
		first  time.Duration // the start that is named
	}{
		{"which started earlier", []time.Duration{-time.Hour}, true, -time.Hour},
		{"which started later", []time.Duration{3 * time.Second}, false, 3 * time.Second},
		{"whose clock is a day ahead", []time.Duration{24 * time.Hour}, false, 24 * time.Hour},
		{"two of them", []time.Duration{5 * time.Second, -time.Second}, true, -time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRivals(t)
			r.pass(20*time.Second, func() {
				for _, s := range tt.starts {
					sent := time.Duration(0)
					if s > r.now { // by its clock it has run for as long as this one
						sent = -s
					}
					r.hear("api-1", s, sent, 0)
				}
			})
			c := r.state.members().Conflict
			if c == nil || c.Yields != tt.yields || !c.Started.Equal(r.start.Add(tt.first)) || r.state.stats().Conflict != c {
				t.Fatalf("got %+v, want one with the start at %v, yields: %v", c, tt.first, tt.yields)
			}
			if since := c.Since.Sub(r.start); since > 9*time.Second {
				t.Errorf("noticed after %v", since)
			}
			r.pass(8*time.Second, func() {})
			if c := r.state.members().Conflict; c != nil {
				t.Errorf("%+v, 8 s after its last canary", c)
			}
			if told := r.told(); len(told) != 2 || !told[0].Conflict || told[1].Conflict || told[0].Cause != events.CauseDuplicate || told[1].Cause != events.CauseCalm {
				t.Errorf("told %+v, want the beginning and the end", told)
			}
		})
	}
}

func TestCanariesThatAreNoConflict(t *testing.T) {
	for name, each := range map[string]func(r *rivals){
		"its own":                     func(*rivals) {},
		"of another id":               func(r *rivals) { r.hear("api-2", -time.Hour, 0, 0) },
		"published before this start": func(r *rivals) { r.hear("api-1", -time.Hour, 0, r.now+time.Second) },
		"a backlog, with the clock of nsqd unknown": func(r *rivals) {
			if r.now < 4*time.Second {
				for i := range 60 { // a minute of the process before comes in a second
					r.hear("api-1", -time.Hour, 5*time.Minute+r.now-time.Duration(i)*time.Second-60*r.now, 0)
				}
			}
		},
		"the last ones of a process that ends": func(r *rivals) {
			if r.now < 2*time.Second {
				r.hear("api-1", -time.Hour, 0, 0)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRivals(t)
			r.pass(20*time.Second, func() { each(r) })
			if told := r.told(); len(told) > 0 {
				t.Errorf("told %+v", told)
			}
		})
	}
}
