package registry

import (
	"time"
	"unique"

	"rollcall/events"
)

// observe applies one heartbeat or leave.
func (s *state) observe(m message) verdict {
	v := s.place(m)
	s.counts.verdicts[v]++
	return v
}

func (s *state) place(m message) verdict {
	h, now := m.heartbeat, s.since(m.receipt.ReceivedAt)
	s.clock.saw(m.receipt.Via, now, m.receipt.Delay)
	if h.Type == events.KindCanary {
		s.clock.canary(m.receipt.Via, now, m.receipt.Delay)
		return sighted
	}
	b := &arrival{h, m.receipt, m.says, now, ordinal(h, m.receipt)}
	r := s.servers[key{h.Service, h.ID}]
	if h.Type == events.KindLeave {
		return s.leave(b, r)
	}
	if b.Delay >= h.TTL() {
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
	says uint64
	now  time.Duration
	nth  uint64 // its ordinal
}

// sent is when nsqd got it.
func (b *arrival) sent() time.Duration { return b.now - b.Delay }

// register puts an incarnation on the roll, in place of older (which may be nil), unless it is a ghost,
// its address belongs to a newer server, or the roll is full.
func (s *state) register(b *arrival, older *record) verdict {
	stone := s.graves.find(key{b.Service, b.ID}) // nil: none
	holder := s.holder(b, older)
	switch {
	case stone != nil && stone.bars(b.Incarnation, b.nth, b.sent(), b.now):
		return outdated
	case stone != nil && !stone.heardTwice(b):
		return unproven
	case holder != nil && holder.incarnation >= b.Incarnation:
		return outdated
	case holder == nil && older == nil && len(s.servers) >= s.cfg.MaxServers:
		return refused
	}
	// The first registration of an incarnation is one event, whichever heartbeat an API server heard first; one that
	// follows an end that is remembered is another event each time.
	first := uint64(0)
	if stone != nil && stone.incarnation == b.Incarnation {
		first = b.nth
	}
	s.replace(older, stepRestarted, b, first)
	s.replace(holder, stepDisplaced, b, first)

	r := &record{view: newView(b.Heartbeat), says: b.says, incarnation: b.Incarnation, ttl: b.TTL(), stamp: never, beat: never, sent: never}
	r.view.RegisteredAt = wall(b.ReceivedAt.UnixNano())
	s.insert(r)
	s.hear(b, r)
	s.tellAs(r, stepRegistered, first, 0, b.ReceivedAt, b.now)
	return taken
}

// holder is the server other than r that has the address of b.
func (s *state) holder(b *arrival, r *record) *record {
	if h := s.byAddr[key{b.Service, b.Addr}]; h != r {
		return h
	}
	return nil
}

// replace ends r, which may be nil, in favour of the sender of b. The event names the successor, because which heartbeat of
// its own was the last that came before is a matter of luck; round tells one time from the next with the same successor.
func (s *state) replace(r *record, why step, b *arrival, round uint64) {
	if r == nil {
		return
	}
	s.bury(r, why, b.ReceivedAt, b.now)
	s.tellAs(r, why, uint64(b.Incarnation), round, b.ReceivedAt, b.now)
	s.strike(r)
}

// renew applies a heartbeat of the incarnation that is on the roll, or of an older one.
func (s *state) renew(b *arrival, r *record) verdict {
	// Stamps of several nsqd are no strict order, so a sender without seq is never outdated.
	if b.Incarnation < r.incarnation || b.Incarnation > 0 && b.nth <= r.ordinal {
		return outdated
	}
	newer := b.nth > r.ordinal
	changed := newer && b.says != r.says
	if changed {
		if holder := s.holder(b, r); holder != nil && holder.incarnation >= b.Incarnation {
			return outdated
		}
	}
	s.hear(b, r)
	// A heartbeat that waited long renews the lease from when it was sent, but proves nothing of now, nor of what was
	// found out since.
	if r.suspect && s.clock.at(b.now)-r.stamp < r.suspectAfter() && r.unrefutedAt(b.sent()) {
		if !newer {
			r.doubted().round++ // its ordinal may have told of a recovery already
		}
		s.trust(r, stepRecovered, b.ReceivedAt, b.now)
	}
	if changed {
		s.update(b, r)
	}
	return taken
}

func (s *state) hear(b *arrival, r *record) {
	if r.heard == 0 || b.Via != r.via.Value() {
		r.via = unique.Make(b.Via)
	}
	at := b.ReceivedAt.UnixNano()
	if stamp := s.clock.at(b.now) - b.Delay; stamp > r.beat {
		r.beat, r.lastSeen = stamp, at-int64(b.Delay)
		r.stamp = max(r.stamp, stamp)
	}
	r.sent = max(r.sent, b.sent())
	if r.advance(b.nth) {
		r.load = b.Load
	}
	if r.doubt != nil {
		r.doubt.heard(b.sent())
	}
	r.remember(beat{at: at, ordinal: b.nth, delay: b.Delay, via: r.via})
	s.schedule(r, b.now)
}

// update takes over what the server now says of itself.
func (s *state) update(b *arrival, r *record) {
	s.replace(s.holder(b, r), stepDisplaced, b, b.nth)
	delete(s.byAddr, key{r.view.Service, r.view.Addr})
	view := newView(b.Heartbeat)
	view.RegisteredAt = r.view.RegisteredAt
	if r.suspect {
		view.State = events.StateSuspect
	}
	if view.Addr != r.view.Addr && r.doubt != nil { // nothing is known of the new one
		r.doubt.dispel()
		r.doubt.badAt, r.doubt.askAt = never, 0
	}
	r.view, r.says, r.ttl = view, b.says, b.TTL()
	s.byAddr[key{view.Service, view.Addr}] = r
	s.schedule(r, b.now)
	s.tell(r, stepUpdated, b.ReceivedAt, b.now)
}

// leave takes a server off the roll at its own word, and bars its incarnation even if it was never heard.
func (s *state) leave(b *arrival, r *record) verdict {
	if r == nil || b.Incarnation > r.incarnation {
		s.graves.bury(tombstone{
			key: key{b.Service, b.ID}, incarnation: b.Incarnation, ordinal: b.nth, why: stepLeft, at: b.ReceivedAt.UnixNano(), ended: b.now,
		}, b.now, b.TTL())
	}
	switch {
	case r == nil:
		return unmatched
	case b.Incarnation < r.incarnation, b.Incarnation == 0 && b.nth < r.ordinal:
		return outdated
	}
	if b.Incarnation == r.incarnation {
		r.advance(b.nth)
	}
	s.end(r, stepLeft, b.ReceivedAt, b.now)
	s.strike(r)
	return taken
}
