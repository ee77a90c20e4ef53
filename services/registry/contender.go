package registry

import "time"

// (incarnation, seq) orders the heartbeats of one id, but a sender may break that order and be the live one: its host
// started with an earlier clock, its container has the same start time at each start, its clock was ahead and is put
// right, or a single damaged message raised its seq. Such a heartbeat is a contender. It is ignored at first, because NSQ
// delivers late and twice: it may also be the last word of a process that is gone.
//
// What tells the two apart is when nsqd received the heartbeat: receipt minus delay, which pipeline.Skew makes free of the
// skew between the clocks of several nsqd and this process. A heartbeat that waited in a queue was published before the
// newest heartbeat of the record, and never wins. A contender takes the place of the record if
//
//	it was published after the newest heartbeat of the record, and so was one before it,
//	these two are half an interval apart, because an nsqd that was paused stamps all that it held at one moment, and
//	the next heartbeat of the record is overdue: see record.overdue.
//
// So of two live processes with one id the one on the roll stays there for as long as it is heard.

// maxLeap is how far seq may run ahead between two heartbeats of a sender that counts, and twice the nanoseconds between
// the two are for a sender whose seq is a clock. A larger step is damage.
const maxLeap = 1 << 20

// leaps reports whether seq runs ahead of the record further than any sender comes.
func (r *record) leaps(b *arrival) bool {
	if b.ordinal <= r.ordinal || b.ordinal-r.ordinal <= maxLeap || r.heard == 0 { // a restored record knows no time
		return false
	}
	return b.ordinal-r.ordinal-maxLeap > 2*uint64(max(0, b.sent()-r.sent))
}

// contend notes a heartbeat that is out of order and reports whether its sender takes the place of r.
func (s *state) contend(b *arrival, r *record, why objection) bool {
	silence := b.sent() - r.sent
	again := b.Incarnation == r.incarnation && b.ordinal == r.ordinal
	switch {
	case silence <= 0: // an echo, as NSQ delivers them
		return false
	case again && silence < r.interval()/2: // the same one, published through another nsqd when the first did not answer
		return false
	case again && r.rewound(): // this sender does not count
		return true
	}
	proven := s.heardTwice(b, r.sent) && silence >= r.overdue()
	if !proven {
		s.ignore(b, why)
	}
	return proven
}

// heardTwice notes a heartbeat that was published after since and reports whether it is at least half an interval younger
// than the first such one. A gap of a TTL begins anew.
func (s *state) heardTwice(b *arrival, since time.Duration) bool {
	g := s.ignored.entry(b)
	if g == nil {
		return false
	}
	if g.first <= since || b.sent()-g.last > b.TTL() {
		g.first = b.sent()
	}
	g.last = max(g.last, b.sent())
	g.ttl = b.TTL()
	return b.sent()-g.first >= b.Interval()/2
}

// contended reports whether the id of r publishes although r is silent: then silence ends nobody. The contender takes its
// place with its second heartbeat; one that cannot, for example because another server has its address, holds r for three
// TTL at most.
func (s *state) contended(r *record) bool {
	g := s.ignored.entries[r.key()]
	return g != nil && g.last > r.sent && s.clock.last-g.last < g.ttl && s.clock.last-r.sent < 3*r.ttl
}

// rewind begins to count r from a seq that is not above its ordinal. Its events get a round that no other life of this
// incarnation has: otherwise a subscriber would take them for those of the first.
func (r *record) rewind(b *arrival) {
	d := r.doubted()
	d.firstRound = uint64(max(0, b.PublishedAt.UnixNano()))
	d.round = d.firstRound
	r.ordinal = 0
}

// rewound reports whether a process before that of r had the same incarnation and counted further.
func (r *record) rewound() bool { return r.doubt != nil && r.doubt.firstRound > 0 }

// succeed decides on a heartbeat of another incarnation than that of r.
func (s *state) succeed(b *arrival, r *record) outcome {
	stone := s.graves.find(r.key())
	why := objectionNone
	switch {
	case b.Incarnation < r.incarnation:
		why = objectionIncarnation
	case stone != nil && stone.objection(b) != objectionNone:
		why = objectionEnded
	case s.aheadOf(b, r):
		why = objectionAhead
	}
	if why == objectionNone {
		return s.register(b, r, 0)
	}
	if !s.contend(b, r, why) {
		return outcomeOutdated
	}
	return s.register(b, r, b.ordinal)
}

// admit decides on a heartbeat of a server that is not on the roll.
func (s *state) admit(b *arrival) outcome {
	stone := s.graves.find(key{b.Service, b.ID})
	first := uint64(0)
	if stone == nil {
		return s.register(b, nil, first)
	}
	// The first registration of an incarnation is one event, whichever heartbeat an API server heard first; one that
	// follows an end that is remembered is another event each time.
	if stone.incarnation == b.Incarnation {
		first = b.ordinal
	}
	why := stone.objection(b)
	if why == objectionNone {
		return s.register(b, nil, first)
	}
	if why == objectionEcho {
		return outcomeOutdated
	}
	since := never // heartbeats beside one that was on the roll then count, too
	if b.Incarnation == stone.incarnation {
		since = stone.ended
	}
	if s.heardTwice(b, since) && why == objectionUnproven {
		return s.register(b, nil, b.ordinal)
	}
	s.ignore(b, why)
	if why == objectionUnproven {
		return outcomeUnproven
	}
	return outcomeOutdated
}

// farAhead is how far the start of a process may lie in the future. A clock that is wrong by more gives an incarnation that
// no later start reaches for a long time, so it must not end a server with an ordinary one that is heard.
const farAhead = 5 * time.Minute

// aheadOf reports whether the incarnation of b is far in the future and that of r is not. The time is the latest that the
// clocks around tell: ours, ours if nobody had set it since the start, and that of nsqd. So a clock that was set back makes
// no start a thing of the future.
func (s *state) aheadOf(b *arrival, r *record) bool {
	latest := max(b.ReceivedAt.UnixMilli(), b.PublishedAt.UnixMilli(), s.epoch.UnixMilli()+b.now.Milliseconds()) + farAhead.Milliseconds()
	return b.Incarnation > latest && r.incarnation <= latest
}
