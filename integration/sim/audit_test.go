package sim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
)

// audit checks every event against the state of the world.
type audit struct {
	w *world

	mu     sync.Mutex
	events []auditedEvent

	lives          map[serverLife]events.Type // type of the newest event of each incarnation
	newest         map[string]int64           // highest incarnation that was registered, by key of the server
	revision       uint64
	failures       int
	falseExpiries  int // number of expiries of servers that run
	detection      detectionTimes
	eventsByServer map[string][]string // events of each server in order, by key of the server; nil if events are not kept
}

type auditedEvent struct {
	at    time.Time
	event events.Event
}

// serverLife is one incarnation of a server.
type serverLife struct {
	id          string // the key of the server, made of its service and its id
	incarnation int64
}

// ttl is the TTL of every server.
const ttl = 10 * time.Second

func newAudit(w *world) *audit {
	return &audit{w: w, lives: make(map[serverLife]events.Type), newest: make(map[string]int64)}
}

// record stores an event until the next call of check. Any goroutine may call record.
func (c *audit) record(e events.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, auditedEvent{time.Now(), e})
}

// fail fails the test. It prints only the first five failures of a world.
func (c *audit) fail(format string, args ...any) {
	if c.failures++; c.failures <= 5 {
		c.w.t.Errorf("seed %d at %v: "+format, append([]any{c.w.seed, time.Duration(c.w.now) * step}, args...)...)
	}
}

// check checks the events recorded since its last call.
func (c *audit) check() {
	c.mu.Lock()
	received := c.events
	c.events = nil
	c.mu.Unlock()
	for _, h := range received {
		d := h.event.Details()
		if d.Revision != c.revision+1 {
			c.fail("revision %d follows %d", d.Revision, c.revision)
		}
		c.revision = d.Revision
		if h.event.Type() != events.TypeMode {
			c.transition(h.at, h.event.Type(), d)
		}
	}
}

// allowedNext maps each type of event to the types that may follow it in the life of one incarnation; "" is the start of the life. In
// addition, a server that publishes after its leave may register again; see transition.
var allowedNext = map[events.Type][]events.Type{
	"":                    {events.TypeRegistered},
	events.TypeRegistered: {events.TypeSuspected, events.TypeLeft, events.TypeReplaced},
	events.TypeSuspected:  {events.TypeRecovered, events.TypeExpired, events.TypeLeft, events.TypeReplaced},
	events.TypeRecovered:  {events.TypeSuspected, events.TypeLeft, events.TypeReplaced},
	events.TypeExpired:    {events.TypeRegistered},
}

func (c *audit) transition(at time.Time, typ events.Type, d events.Transition) {
	s := c.w.byKey[d.Server.Key()]
	life := serverLife{s.key, d.Server.Incarnation}
	before := c.lives[life]
	if typ == events.TypeUpdated {
		c.fail("%s is updated although it never changes", life.id)
		return
	}
	if returns := before == events.TypeLeft && typ == events.TypeRegistered && s.publishesAfterLeave; !slices.Contains(allowedNext[before], typ) && !returns {
		c.fail("%s of %v follows %q", typ, life, before)
	}
	c.lives[life] = typ
	if c.eventsByServer != nil {
		c.eventsByServer[life.id] = append(c.eventsByServer[life.id], fmt.Sprintf("%s of %d: %s", typ, life.incarnation, d.ID))
	}
	switch typ {
	case events.TypeRegistered:
		c.registered(s, life)
	case events.TypeExpired:
		c.expired(at, s, life, d)
	case events.TypeLeft:
		if s.incarnation == life.incarnation && !s.is(left) {
			c.fail("%v left although it sent no leave", life)
		}
	}
}

// registered checks three rules. A server that has been dead for longer than its TTL does not register. An incarnation lower than one that
// was registered before does not register, unless the clock of the server was set back. A server that publishes after its leave does not
// register within a TTL of the leave.
func (c *audit) registered(s *dataServer, life serverLife) {
	newest := c.newest[life.id]
	c.newest[life.id] = max(newest, life.incarnation)
	now := s.incarnation == life.incarnation
	if now && s.clockSetBack {
		c.newest[life.id] = life.incarnation
	} else if life.incarnation < newest {
		c.fail("%v is registered after incarnation %d", life, newest)
	}
	switch ago := c.w.now - s.since; {
	case !now || s.is(running):
	case s.publishesAfterLeave && ago < steps(ttl):
		c.fail("%v is registered %v after its leave", life, time.Duration(ago)*step)
	case !s.publishesAfterLeave && ago > steps(ttl+time.Second):
		c.fail("%v is registered %v after its death", life, time.Duration(ago)*step)
	}
}

func (c *audit) expired(at time.Time, s *dataServer, life serverLife, d events.Transition) {
	switch {
	case s.incarnation != life.incarnation && !s.clockSetBack: // an old incarnation of a server that has restarted
	case s.healthy():
		c.falseExpiries++
		c.fail("%s runs and expired (%s) with a lease age of %v", life.id, d.Cause, time.Duration(d.Server.AgeMS)*time.Millisecond)
	case !s.is(running):
		c.detection.add(s, steps(at.Sub(c.w.start)))
	}
}

// expectDetection fails the test if the server is still routable one TTL and a second after its death. It does nothing in worlds in which
// nsqd or the API server has faults.
func (c *audit) expectDetection(s *dataServer) {
	if !c.w.network.onlyServersFail {
		return
	}
	life, since := serverLife{s.key, s.incarnation}, s.since
	c.w.after(ttl+time.Second, func() {
		if now := c.lives[life]; s.since == since && (now == events.TypeRegistered || now == events.TypeRecovered) {
			c.fail("%v is routable %v after its death", life, ttl+time.Second)
		}
	})
}

// checkEnd checks the registry at the end of a world: each server has the right state, the registry has at most one entry for each server,
// and no event or heartbeat waits or was dropped.
func (c *audit) checkEnd(a *apiServer) {
	list, err := a.registry.Members(context.Background())
	fixture.Must(c.w.t, err)
	listed := make(map[string]events.State, list.Len())
	for s := range list.All() {
		listed[s.Key()] = s.State
	}
	for _, s := range c.w.servers {
		if why := c.misplaced(s, listed[s.key]); why != "" {
			c.fail("%s is %q at the end, but %s", s.key, listed[s.key], why)
		}
	}
	st, err := a.registry.Stats(context.Background())
	fixture.Must(c.w.t, err)
	if list.Len() > len(c.w.servers) || st.Tombstones > len(c.w.servers) || st.Outbox > 0 || st.Mailbox > 0 || st.Dropped > 0 {
		c.fail("%d servers are listed, %+v", list.Len(), st)
	}
}

// misplaced returns what is wrong with the state of a server after all faults have ended, or "" if the state is right.
func (c *audit) misplaced(s *dataServer, state events.State) string {
	n := c.w.network
	switch {
	case s.healthy() && c.w.unreached(): // any state is right, because most of the server's heartbeats are lost
	case s.healthy() && state == "":
		return "it runs"
	case s.healthy() && state != events.StateAlive && n.loss == 0 && n.late == 0:
		return "it runs and its heartbeats arrive"
	case s.is(left) && n.loss > 0, n.unprobed: // any state is right: the leave may be lost, and without probes detection takes longer
	case !s.is(running) && !s.publishesAfterLeave && state != "" && c.w.now-s.since > steps(2*ttl):
		return "it is dead"
	}
	return ""
}

// detectionTimes are the times from the death of a server to its expiry.
type detectionTimes struct{ crashed, vanished []time.Duration }

func (d *detectionTimes) add(s *dataServer, at int) {
	after := time.Duration(at-s.since) * step
	switch {
	case s.is(crashed):
		d.crashed = append(d.crashed, after)
	case s.is(vanished), s.is(paused):
		d.vanished = append(d.vanished, after)
	}
}

func (d *detectionTimes) join(other detectionTimes) {
	d.crashed = append(d.crashed, other.crashed...)
	d.vanished = append(d.vanished, other.vanished...)
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

func worst(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return slices.Max(d)
}
