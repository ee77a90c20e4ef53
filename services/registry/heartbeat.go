package registry

import (
	"math"
	"time"

	"rollcall/events"
)

// observe applies one heartbeat, leave or canary, and counts the outcome.
func (s *state) observe(m message) outcome {
	v := s.apply(&m)
	s.counts.outcomes[v]++
	return v
}

func (s *state) apply(m *message) outcome {
	h, now := &m.Heartbeat, s.since(m.Receipt.ReceivedAt)
	if h.Type == events.KindHeartbeat && m.Receipt.Delay >= h.TTL() { // a heartbeat that waited in NSQ for its TTL does not prove that messages arrive in time
		s.clock.backlog = true
		s.ignore(newArrival(m, now), objectionStale)
		return outcomeStale
	}
	s.clock.received(m.Receipt.Via, now, m.Receipt.Delay)
	if h.Type == events.KindCanary {
		s.clock.canary(m.Receipt.Via, now, m.Receipt.Delay)
		s.detectTwin(h, m.Receipt.Delay, now)
		return outcomeCanary
	}
	b, r := newArrival(m, now), s.servers[key{h.Service, h.ID}]
	if h.Type == events.KindLeave {
		return s.leave(b, r)
	}
	switch {
	case r == nil:
		return s.admit(b)
	case h.Incarnation == r.incarnation:
		return s.renew(b, r)
	}
	return s.succeed(b, r)
}

// arrival is a heartbeat or leave with its receipt.
type arrival struct {
	*message
	now     time.Duration
	ordinal uint64
}

func newArrival(m *message, now time.Duration) *arrival {
	return &arrival{m, now, ordinal(&m.Heartbeat, m.Receipt)}
}

func (b *arrival) moment() moment { return moment{b.ReceivedAt, b.now} }

// sent returns when nsqd received the heartbeat, by the time of the state.
func (b *arrival) sent() time.Duration { return b.now - b.Delay }

// register registers the sender of the heartbeat b. If older is not nil, the sender replaces the server older. The heartbeat is
// ignored if the registry is full. It is also ignored if another server has the address of b, and either the incarnation of this
// server is not lower, or the incarnation of b is far in the future and the incarnation of this server is not. The parameter first
// is the ordinal in the id of the registered event: 0 for the first registration of the incarnation.
func (s *state) register(b *arrival, older *record, first uint64) outcome {
	holder := s.holder(b, older)
	switch {
	case holder != nil && (holder.incarnation >= b.Incarnation || s.aheadOf(b, holder)):
		s.ignore(b, objectionAddress)
		return outcomeOutdated
	case holder == nil && older == nil && len(s.servers) >= s.cfg.MaxServers:
		s.ignore(b, objectionFull)
		return outcomeFull
	}
	again := s.livedBefore(b)
	delete(s.ignored.entries, key{b.Service, b.ID})
	s.replace(older, stepRestarted, b, first)
	s.replace(holder, stepDisplaced, b, first)

	r := &record{view: newView(&b.Heartbeat), fingerprint: b.fingerprint, incarnation: b.Incarnation, ttl: b.TTL(), stamp: never, beat: never, sent: never}
	r.view.RegisteredAt = wall(b.ReceivedAt.UnixNano())
	if again {
		r.rewind(b)
	}
	s.insert(r)
	s.receive(b, r)
	s.emitAs(r, stepRegistered, edition{first, r.round()}, b.moment())
	s.claim(r, b.sent(), b.moment())
	return outcomeTaken
}

// livedBefore reports whether a process with the incarnation of b was removed after it had sent the seq of b or a higher seq.
func (s *state) livedBefore(b *arrival) bool {
	stone := s.tombstones.find(key{b.Service, b.ID})
	return stone != nil && b.Incarnation > 0 && stone.incarnation == b.Incarnation && b.ordinal <= stone.ordinal
}

// holder returns the server of the same service that has the address of b. It returns nil if there is none, or if r has the address.
func (s *state) holder(b *arrival, r *record) *record {
	if h := s.at(b.Service, b.Addr); h != r {
		return h
	}
	return nil
}

// replace removes the server r, because the sender of b takes its place. It does nothing if r is nil. All API servers should give
// the replaced event the same id, but each may have received a different last heartbeat of r. So the id contains the incarnation
// of the successor, not r.ordinal. The parameter round makes the id unique if the same successor replaces r again.
func (s *state) replace(r *record, why step, b *arrival, round uint64) {
	if r == nil {
		return
	}
	s.removeAs(r, why, edition{uint64(b.Incarnation), round}, b.moment())
}

// renew applies a heartbeat of the registered incarnation.
func (s *state) renew(b *arrival, r *record) outcome {
	// A heartbeat without seq is ordered by the timestamp of nsqd. The clocks of several nsqd differ, so such a heartbeat is
	// never outdated.
	if b.Incarnation > 0 && (b.ordinal <= r.ordinal || r.leaps(b)) {
		why := objectionSeq
		r.arrived.late(r.ordinal - b.ordinal)
		if b.ordinal > r.ordinal {
			why = objectionLeap
		}
		if !s.contend(b, r, why) {
			return outcomeOutdated
		}
		r.rewind(b)
		delete(s.ignored.entries, r.key())
	}
	newer := b.ordinal > r.ordinal
	changed := newer && b.fingerprint != r.fingerprint
	if changed {
		if holder := s.holder(b, r); holder != nil && holder.incarnation >= b.Incarnation {
			s.ignore(b, objectionAddress)
			return outcomeOutdated
		}
	}
	s.receive(b, r)
	// A heartbeat renews the lease from the time when it was published, even if it waited long in NSQ. The heartbeat ends a
	// suspicion only if it is recent and newer than the evidence.
	if r.suspect && s.clock.at(b.now).sub(r.stamp)-s.clock.grace < r.suspectAfter() && r.unrefutedAt(b.sent()) {
		if !newer {
			r.openInquiry().round++ // a recovered event with this ordinal may exist already; the new round gives this event another id
		}
		s.recover(r, stepRecovered, b.moment())
	}
	if changed {
		s.update(b, r)
	}
	return outcomeTaken
}

func (s *state) receive(b *arrival, r *record) {
	if b.Via != s.vias.addr(r.via) {
		r.via = s.vias.number(b.Via)
	}
	at := b.ReceivedAt.UnixNano()
	if stamp := s.clock.at(b.now).add(-b.Delay); stamp > r.beat {
		r.beat, r.lastSeen = stamp, at-int64(b.Delay)
		r.stamp = max(r.stamp, stamp)
	}
	r.sent = max(r.sent, b.sent())
	s.losses.count(r, b)
	if r.advance(b.ordinal) {
		r.load = b.Load
	}
	if r.inquiry != nil {
		r.inquiry.received(b.sent())
	}
	r.addBeat(beat{at, b.ordinal, uint32(min(max(0, b.Delay.Milliseconds()), math.MaxUint32)), r.via})
	s.schedule(r, b.now)
}

// update applies a heartbeat that changes the description of r, for example its address or weight.
func (s *state) update(b *arrival, r *record) {
	s.replace(s.holder(b, r), stepDisplaced, b, b.ordinal)
	moved := b.Addr != r.view.Addr
	if moved {
		s.disclaim(r)
	}
	view := newView(&b.Heartbeat)
	view.RegisteredAt = r.view.RegisteredAt
	if r.suspect {
		view.State = events.StateSuspect
	}
	if moved && r.inquiry != nil { // the evidence is about the old address
		r.inquiry.clear()
		r.inquiry.evidenceAt, r.inquiry.probe.notBefore = never, 0
	}
	r.view, r.fingerprint, r.ttl = view, b.fingerprint, b.TTL()
	s.byAddr[placeHash(view.Service, view.Addr)] = r
	s.schedule(r, b.now)
	s.emit(r, stepUpdated, b.moment())
	if moved {
		s.claim(r, b.sent(), b.moment())
	}
}

// leave applies a leave message: it removes the server. If the server is not registered, a tombstone is added, unless a higher
// incarnation was removed lately. A leave message that a person publishes may have no incarnation. It removes the registered
// incarnation, unless a heartbeat of the server was published after the leave message.
func (s *state) leave(b *arrival, r *record) outcome {
	switch {
	case r == nil:
		if stone := s.tombstones.find(key{b.Service, b.ID}); stone == nil || b.Incarnation >= stone.highest {
			s.rememberLeave(b)
		}
		return outcomeUnmatched
	case b.Incarnation == 0 && r.incarnation > 0 && b.sent() <= r.sent,
		b.Incarnation == 0 && r.incarnation == 0 && b.ordinal < r.ordinal,
		b.Incarnation > 0 && b.Incarnation < r.incarnation,
		b.Incarnation == r.incarnation && r.rewound() && b.sent() <= r.sent: // the leave is from an earlier process with this incarnation
		s.ignore(b, objectionLeave)
		return outcomeOutdated
	case b.Incarnation == r.incarnation:
		r.advance(b.ordinal)
	}
	s.remove(r, stepLeft, b.moment())
	if b.Incarnation > r.incarnation {
		s.rememberLeave(b)
	}
	return outcomeTaken
}

// rememberLeave adds a tombstone for the incarnation that the leave message b names. This incarnation is not registered.
func (s *state) rememberLeave(b *arrival) {
	s.tombstones.add(tombstone{
		key: key{b.Service, b.ID}, incarnation: b.Incarnation, ordinal: b.ordinal, why: stepLeft, at: b.ReceivedAt.UnixNano(), ended: b.now,
	}, b.now, b.TTL())
}
