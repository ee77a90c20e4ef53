package registry

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unique"

	"rollcall/events"
)

// state is the roll and what may happen to it. It is pure: no goroutine, channel, clock, lock or
// logger. Its own time is a Duration since the first moment it was told of, on the monotonic clock.
type state struct {
	cfg   Config
	epoch time.Time

	servers map[key]*record
	byAddr  map[key]*record // key.id is an address here
	order   []*record       // by service and id, as in a snapshot
	wheel   wheel
	graves  graveyard
	due     []*record // scratch of tick

	outbox   outbox
	revision uint64
	mode     Mode

	snapshot *Snapshot // nil after the membership changed
	vitals   []vitals  // nil after a tick or a change
	counts   counts
}

// verdict is what became of a heartbeat.
type verdict uint8

const (
	taken     verdict = iota // renewed or changed something
	outdated                 // older than what is known, or its incarnation is gone
	stale                    // waited for its whole TTL
	refused                  // the roll is full
	unmatched                // a leave of nobody that is here
	verdicts
)

func (v verdict) String() string {
	return [verdicts]string{"taken", "outdated", "stale", "refused", "unmatched"}[v]
}

type counts struct {
	verdicts [verdicts]uint64
	steps    [steps]uint64
}

func newState(cfg Config) *state {
	return &state{
		cfg:     cfg,
		servers: make(map[key]*record),
		byAddr:  make(map[key]*record),
		wheel:   wheel{tick: cfg.Tick},
		graves:  newGraveyard(cfg.MaxServers),
		outbox:  outbox{max: cfg.Outbox},
		mode:    ModeWarming,
	}
}

// since places t on the state's own time, which begins with the first heartbeat or tick.
func (s *state) since(t time.Time) time.Duration {
	if s.epoch.IsZero() {
		s.epoch = t
	}
	return t.Sub(s.epoch)
}

// age is since for a question, which begins nothing.
func (s *state) age(t time.Time) time.Duration {
	if s.epoch.IsZero() {
		return 0
	}
	return s.since(t)
}

// observe applies one heartbeat or leave.
func (s *state) observe(m message) verdict {
	v := s.place(m)
	s.counts.verdicts[v]++
	return v
}

func (s *state) place(m message) verdict {
	h := m.heartbeat
	b := &arrival{h, m.receipt, m.says, s.since(m.receipt.ReceivedAt), m.receipt.QueueDelay(), ordinal(h, m.receipt)}
	r := s.servers[key{h.Service, h.ID}]
	if h.Type == events.KindLeave {
		return s.leave(b, r)
	}
	if b.delay >= h.TTL() {
		return stale
	}
	if r == nil || h.Incarnation > r.incarnation {
		return s.register(b, r)
	}
	return s.renew(b, r)
}

// arrival is a heartbeat with what follows from its receipt.
type arrival struct {
	*events.Heartbeat
	events.Receipt
	says  uint64
	now   time.Duration
	delay time.Duration
	nth   uint64 // its ordinal
}

// register puts an incarnation on the roll, in place of older (which may be nil), unless it is a ghost,
// its address belongs to a newer server, or the roll is full.
func (s *state) register(b *arrival, older *record) verdict {
	stone, dead := s.graves.find(key{b.Service, b.ID})
	holder := s.holder(b, older)
	switch {
	case dead && stone.bars(b.Incarnation, b.nth, b.now):
		return outdated
	case holder != nil && holder.incarnation >= b.Incarnation:
		return outdated
	case holder == nil && older == nil && len(s.servers) >= s.cfg.MaxServers:
		return refused
	}
	s.replace(older, stepRestarted, b)
	s.replace(holder, stepDisplaced, b)

	r := &record{view: newView(b.Heartbeat), says: b.says, incarnation: b.Incarnation, ttl: b.TTL()}
	r.view.RegisteredAt = wall(b.ReceivedAt.UnixNano())
	s.insert(r)
	s.hear(b, r)
	// The first registration is one event, whichever heartbeat an API server heard first; one that follows an end
	// that is remembered is another event each time.
	first := uint64(0)
	if dead {
		first = b.nth
	}
	s.tellAt(r, stepRegistered, first, b.ReceivedAt, b.now)
	return taken
}

// holder is the server other than r that has the address of b.
func (s *state) holder(b *arrival, r *record) *record {
	if h := s.byAddr[key{b.Service, b.Addr}]; h != r {
		return h
	}
	return nil
}

func (s *state) replace(r *record, why step, b *arrival) {
	if r != nil {
		s.bury(r, why, b.ReceivedAt, b.now)
		s.strike(r)
	}
}

// renew applies a heartbeat of the incarnation that is on the roll, or of an older one.
func (s *state) renew(b *arrival, r *record) verdict {
	// Stamps of several nsqd are no strict order, so a sender without seq is never outdated.
	if b.Incarnation < r.incarnation || b.Incarnation > 0 && b.nth <= r.ordinal {
		return outdated
	}
	if b.nth > r.ordinal && b.says != r.says {
		if holder := s.holder(b, r); holder != nil && holder.incarnation >= b.Incarnation {
			return outdated
		}
		s.hear(b, r)
		s.update(b, r)
	} else {
		s.hear(b, r)
	}
	// A heartbeat that waited long renews the lease from when it was sent, but proves nothing of now.
	if r.suspect && b.now-r.stamp < r.suspectAfter() {
		s.enter(r, aliveState(r.view.Weight))
		s.tell(r, stepRecovered, b.ReceivedAt, b.now)
	}
	return taken
}

func (s *state) hear(b *arrival, r *record) {
	if r.heard == 0 || b.Via != r.via.Value() {
		r.via = unique.Make(b.Via)
	}
	at := b.ReceivedAt.UnixNano()
	if stamp := b.now - b.delay; r.heard == 0 || stamp > r.stamp {
		r.stamp, r.lastSeen = stamp, at-int64(b.delay)
	}
	if b.nth > r.ordinal {
		r.ordinal, r.load = b.nth, b.Load
	}
	r.remember(beat{at: at, ordinal: b.nth, delay: b.delay, via: r.via})
	s.schedule(r)
}

// schedule sets the next look at the lease: when the server would be suspect, or else expire.
func (s *state) schedule(r *record) {
	after := r.suspectAfter()
	if r.suspect {
		after = r.ttl
	}
	s.wheel.place(r, r.stamp+after)
}

// update takes over what the server now says of itself.
func (s *state) update(b *arrival, r *record) {
	s.replace(s.holder(b, r), stepDisplaced, b)
	delete(s.byAddr, key{r.view.Service, r.view.Addr})
	view := newView(b.Heartbeat)
	view.RegisteredAt = r.view.RegisteredAt
	if r.suspect {
		view.State = events.StateSuspect
	}
	r.view, r.says, r.ttl = view, b.says, b.TTL()
	s.byAddr[key{view.Service, view.Addr}] = r
	s.schedule(r)
	s.tell(r, stepUpdated, b.ReceivedAt, b.now)
}

// leave takes a server off the roll at its own word, and bars its incarnation even if it was never heard.
func (s *state) leave(b *arrival, r *record) verdict {
	if r == nil || b.Incarnation > r.incarnation {
		s.graves.bury(tombstone{
			key: key{b.Service, b.ID}, incarnation: b.Incarnation, ordinal: b.nth, why: stepLeft, at: b.ReceivedAt.UnixNano(),
		}, b.now, b.TTL())
	}
	switch {
	case r == nil:
		return unmatched
	case b.Incarnation < r.incarnation, b.Incarnation == 0 && b.nth < r.ordinal:
		return outdated
	}
	if b.Incarnation == r.incarnation {
		r.ordinal = max(r.ordinal, b.nth)
	}
	s.bury(r, stepLeft, b.ReceivedAt, b.now)
	s.strike(r)
	return taken
}

// tick looks at the servers whose lease asks for it at now, and only at those.
func (s *state) tick(at time.Time) {
	now := s.since(at)
	s.vitals = nil
	if s.mode == ModeWarming && now >= s.cfg.Warmup {
		s.mode, s.snapshot = ModeNormal, nil
	}
	s.graves.expire(now)
	s.due = s.wheel.collect(now, s.due[:0])
	slices.SortFunc(s.due, func(a, b *record) int { // the order of events is that of the deadlines
		return cmp.Or(cmp.Compare(a.due, b.due), byKey(a, b))
	})
	for _, r := range s.due {
		s.judge(r, at, now)
	}
	if slices.ContainsFunc(s.due, (*record).gone) { // once for all: half of the fleet may go in one tick
		s.order = slices.DeleteFunc(s.order, (*record).gone)
	}
	clear(s.due)
}

// judge decides on a server whose silence is due for a look.
func (s *state) judge(r *record, at time.Time, now time.Duration) {
	if !r.suspect {
		s.enter(r, events.StateSuspect)
		s.tell(r, stepSuspected, at, now)
	}
	if now-r.stamp >= r.ttl {
		s.bury(r, stepExpired, at, now) // tick takes it out of the order
		return
	}
	s.schedule(r)
}

// enter changes the state in which readers see the server.
func (s *state) enter(r *record, to events.State) {
	view := *r.view
	view.State = to
	r.suspect = to == events.StateSuspect
	r.view = &view
	s.schedule(r)
}

// bury takes a server off the roll and tells why. The caller takes it out of the order.
func (s *state) bury(r *record, why step, at time.Time, now time.Duration) {
	s.graves.bury(tombstone{
		key: r.key(), incarnation: r.incarnation, ordinal: r.ordinal, why: why, at: at.UnixNano(),
	}, now, r.ttl)
	s.wheel.remove(r)
	delete(s.servers, r.key())
	delete(s.byAddr, key{r.view.Service, r.view.Addr})
	s.tell(r, why, at, now)
}

// strike takes a server that is buried out of the order.
func (s *state) strike(r *record) {
	if i, ok := slices.BinarySearchFunc(s.order, r, byKey); ok {
		s.order = slices.Delete(s.order, i, i+1)
	}
}

func (s *state) insert(r *record) {
	s.servers[r.key()] = r
	s.byAddr[key{r.view.Service, r.view.Addr}] = r
	i, _ := slices.BinarySearchFunc(s.order, r, byKey)
	s.order = slices.Insert(s.order, i, r)
}

// tell makes the event of a step, and with it a new revision.
func (s *state) tell(r *record, why step, at time.Time, now time.Duration) {
	s.tellAt(r, why, r.ordinal, at, now)
}

// tellAt is tell for a step that did not happen at the newest heartbeat.
func (s *state) tellAt(r *record, why step, ordinal uint64, at time.Time, now time.Duration) {
	s.revision++
	s.counts.steps[why]++
	s.snapshot, s.vitals = nil, nil
	view := *r.view
	r.vitals(now).apply(&view)
	r.view = &view
	r.changed(change{at.UnixNano(), why})
	typ, cause := why.event()
	e, _ := events.New(typ, events.Transition{
		ID:       events.EventID(typ, view.Service, view.ID, view.Incarnation, ordinal),
		Time:     wall(at.UnixNano()),
		Server:   view,
		Cause:    cause,
		Revision: s.revision,
		LastSeen: view.LastSeen,
		Observer: s.cfg.Observer,
	})
	s.outbox.push(e)
}

// members returns the snapshot, made anew only if the membership changed.
func (s *state) members() *Snapshot {
	if s.snapshot == nil {
		servers := make([]*events.Server, len(s.order))
		for i, r := range s.order {
			servers[i] = r.view
		}
		s.snapshot = &Snapshot{Revision: s.revision, Mode: s.mode, Servers: servers}
	}
	return s.snapshot
}

// currentVitals are parallel to the servers of members, made at most once a tick and membership.
func (s *state) currentVitals(now time.Duration) []vitals {
	if s.vitals == nil {
		s.vitals = make([]vitals, len(s.order))
		for i, r := range s.order {
			s.vitals[i] = r.vitals(now)
		}
	}
	return s.vitals
}

func byKey(a, b *record) int {
	if c := strings.Compare(a.view.Service, b.view.Service); c != 0 {
		return c
	}
	return strings.Compare(a.view.ID, b.view.ID)
}
