package integration

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// simAudit reads the events and holds them against what is true in the world.
type simAudit struct {
	w *simWorld

	mu    sync.Mutex
	heard []simHeard

	lives    map[simLife]events.Type // newest event but updated
	newest   map[string]int64        // incarnation that was registered
	revision uint64
	wrongs   int
	untrue   int // expiries of servers that run
	found    simDelays
	told     map[string][]string // server -> its events, in order; kept if not nil
}

type simHeard struct {
	at    time.Time
	event events.Event
}

// simLife is one incarnation of a server.
type simLife struct {
	id          string // service/id
	incarnation int64
}

// simLease is the TTL.
const simLease = 10 * time.Second

func newSimAudit(w *simWorld) *simAudit {
	return &simAudit{w: w, lives: make(map[simLife]events.Type), newest: make(map[string]int64)}
}

// hear is called by the goroutine that reads the events.
func (c *simAudit) hear(e events.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, simHeard{time.Now(), e})
}

// wrong tells of something that must not be, and of what is like it only at first.
func (c *simAudit) wrong(format string, args ...any) {
	if c.wrongs++; c.wrongs <= 5 {
		c.w.t.Errorf("seed %d at %v: "+format, append([]any{c.w.seed, time.Duration(c.w.now) * simStep}, args...)...)
	}
}

// judge looks at the events since the last step.
func (c *simAudit) judge() {
	c.mu.Lock()
	heard := c.heard
	c.heard = nil
	c.mu.Unlock()
	for _, h := range heard {
		d := h.event.Details()
		if d.Revision != c.revision+1 {
			c.wrong("revision %d follows %d", d.Revision, c.revision)
		}
		c.revision = d.Revision
		if h.event.Type() != events.TypeMode {
			c.transition(h.at, h.event.Type(), d)
		}
	}
}

// simFollows says what may come after what in one life; "" is the beginning. Updated may come anywhere between.
var simFollows = map[events.Type][]events.Type{
	"":                    {events.TypeRegistered},
	events.TypeRegistered: {events.TypeSuspected, events.TypeLeft, events.TypeReplaced},
	events.TypeSuspected:  {events.TypeRecovered, events.TypeExpired, events.TypeLeft, events.TypeReplaced},
	events.TypeRecovered:  {events.TypeSuspected, events.TypeLeft, events.TypeReplaced},
	events.TypeExpired:    {events.TypeRegistered},
}

func (c *simAudit) transition(at time.Time, typ events.Type, d events.Transition) {
	s := c.w.byKey[d.Server.Key()]
	life := simLife{s.key, d.Server.Incarnation}
	before := c.lives[life]
	if typ == events.TypeUpdated {
		c.wrong("%s is updated, and nothing of it ever changes", life.id)
		return
	}
	if returns := before == events.TypeLeft && typ == events.TypeRegistered && s.lingers; !slices.Contains(simFollows[before], typ) && !returns {
		c.wrong("%s of %v follows %q", typ, life, before)
	}
	c.lives[life] = typ
	if c.told != nil {
		c.told[life.id] = append(c.told[life.id], fmt.Sprintf("%s of %d: %s", typ, life.incarnation, d.ID))
	}
	switch typ {
	case events.TypeRegistered:
		c.registered(s, life)
	case events.TypeExpired:
		c.expired(at, s, life, d)
	case events.TypeLeft:
		if s.incarnation == life.incarnation && !s.is(simLeft) {
			c.wrong("%v left, and did not say so", life)
		}
	}
}

// registered: no server that is dead for longer than its TTL, no incarnation that a newer one followed unless it is that of
// a clock that was set back, and none within a TTL of its leave.
func (c *simAudit) registered(s *simServer, life simLife) {
	newest := c.newest[life.id]
	c.newest[life.id] = max(newest, life.incarnation)
	now := s.incarnation == life.incarnation
	if now && s.back {
		c.newest[life.id] = life.incarnation
	} else if life.incarnation < newest {
		c.wrong("%v is registered after %d was", life, newest)
	}
	switch ago := c.w.now - s.since; {
	case !now || s.is(simRunning):
	case s.lingers && ago < simSteps(simLease):
		c.wrong("%v is registered %v after its leave", life, time.Duration(ago)*simStep)
	case !s.lingers && ago > simSteps(simLease+time.Second):
		c.wrong("%v is registered %v after its end", life, time.Duration(ago)*simStep)
	}
}

func (c *simAudit) expired(at time.Time, s *simServer, life simLife, d events.Transition) {
	switch {
	case s.incarnation != life.incarnation && !s.back: // replaced while it was dead
	case s.healthy():
		c.untrue++
		c.wrong("%s runs and is expired (%s), with a lease of %v", life.id, d.Cause, time.Duration(d.Server.AgeMS)*time.Millisecond)
	case !s.is(simRunning):
		c.found.add(s, simSteps(at.Sub(c.w.start)))
	}
}

// died plans to look whether the end of a server is noticed.
func (c *simAudit) died(s *simServer) {
	if !c.w.network.bystander {
		return
	}
	life, since := simLife{s.key, s.incarnation}, s.since
	c.w.after(simLease+time.Second, func() {
		if now := c.lives[life]; s.since == since && (now == events.TypeRegistered || now == events.TypeRecovered) {
			c.wrong("%v is routable %v after its end", life, simLease+time.Second)
		}
	})
}

// last looks at the roll at the end: those who run are on it, and what the registry keeps has its bounds.
func (c *simAudit) last(a *simAPI) {
	roll, err := a.registry.Members(context.Background(), registry.Query{})
	must(c.w.t, err)
	listed := make(map[string]events.State, len(roll.Servers))
	for _, s := range roll.Servers {
		listed[s.Key()] = s.State
	}
	for _, s := range c.w.servers {
		if why := c.misplaced(s, listed[s.key]); why != "" {
			c.wrong("%s is %q on the roll at the end, and %s", s.key, listed[s.key], why)
		}
	}
	st, err := a.registry.Stats(context.Background())
	must(c.w.t, err)
	if len(roll.Servers) > len(c.w.servers) || st.Tombstones > len(c.w.servers) || st.Outbox > 0 || st.Mailbox > 0 || st.Dropped > 0 {
		c.wrong("%d servers on the roll, %+v", len(roll.Servers), st)
	}
}

// misplaced says what is wrong with the state of a server at the end, when the faults are over.
func (c *simAudit) misplaced(s *simServer, state events.State) string {
	n := c.w.network
	switch {
	case s.healthy() && c.w.unreached(): // most of its heartbeats are lost
	case s.healthy() && state == "":
		return "it runs"
	case s.healthy() && state != events.StateAlive && n.loss == 0 && n.late == 0:
		return "it runs and is heard"
	case s.is(simLeft) && n.loss > 0, n.unasked: // the leave may be lost; without probes it takes longer
	case !s.is(simRunning) && !s.lingers && state != "" && c.w.now-s.since > simSteps(2*simLease):
		return "it is dead"
	}
	return ""
}

// simDelays are the times from a death to its discovery.
type simDelays struct{ crashed, vanished []time.Duration }

func (d *simDelays) add(s *simServer, step int) {
	after := time.Duration(step-s.since) * simStep
	switch {
	case s.is(simCrashed):
		d.crashed = append(d.crashed, after)
	case s.is(simVanished), s.is(simStopped):
		d.vanished = append(d.vanished, after)
	}
}

func (d *simDelays) join(other simDelays) {
	d.crashed = append(d.crashed, other.crashed...)
	d.vanished = append(d.vanished, other.vanished...)
}

func simMedian(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func simWorst(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return slices.Max(d)
}
