package registry

import "time"

// (incarnation, seq) orders the heartbeats of one server, but a live process may break this order: its host started with an
// earlier clock, its container has the same start time at each start, its clock was ahead and is corrected, or a damaged
// message raised its seq. A heartbeat that breaks the order is a contender. It is ignored at first, because NSQ delivers late
// and more than once: it may come from a process that is gone.
//
// The time at which nsqd received the heartbeat distinguishes the two cases. It is the time of receipt minus the delay, from
// which pipeline.ClockSkew removes the differences between the clocks of nsqd and this process. A heartbeat that waited in a
// queue was published before the newest heartbeat of the record, and never takes its place. A contender does if
//
//	it was published after the newest heartbeat of the record, and so was an earlier contender,
//	the two are half an interval apart, because an nsqd that was paused gives one stamp to all messages that waited, and
//	the next heartbeat of the record is overdue: see record.overdue.
//
// So of two live processes with one id, the registered one stays as long as its heartbeats arrive.

// maxLeap is the largest increase of seq between two heartbeats. Twice the nanoseconds between the two are added, for senders
// that use a clock as seq. A larger increase means that the message is damaged.
const maxLeap = 1 << 20

// leaps reports whether seq is further above that of the record than maxLeap allows.
func (r *record) leaps(b *arrival) bool {
	if b.ordinal <= r.ordinal || b.ordinal-r.ordinal <= maxLeap || r.received == 0 { // the time of the last heartbeat is not known after a restart
		return false
	}
	return b.ordinal-r.ordinal-maxLeap > 2*uint64(max(0, b.sent()-r.sent))
}

// contend notes a heartbeat that is out of order, and reports whether its sender takes the place of r.
func (s *state) contend(b *arrival, r *record, why objection) bool {
	silence := b.sent() - r.sent
	again := b.Incarnation == r.incarnation && b.ordinal == r.ordinal
	switch {
	case silence <= 0: // an echo
		return false
	case again && silence < r.interval()/2: // a copy, published through another nsqd when the first did not respond
		return false
	case again && r.rewound(): // this sender does not increment seq
		return true
	}
	proven := s.heardTwice(b, r.sent) && silence >= r.overdue()
	if !proven {
		s.ignore(b, why)
	}
	return proven
}

// heardTwice notes a heartbeat that was published after since, and reports whether it is at least half an interval younger
// than the first such heartbeat. After a gap of a TTL the next heartbeat counts as the first.
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

// contended reports whether a contender of r publishes while r is silent. Silence then does not expire r. The second
// heartbeat of the contender takes the place of r. If it cannot, for example because another server has its address, r is
// kept for at most three TTL.
func (s *state) contended(r *record) bool {
	g := s.ignored.entries[r.key()]
	return g != nil && g.last > r.sent && s.clock.last-g.last < g.ttl && s.clock.last-r.sent < 3*r.ttl
}

// rewind makes r accept a seq that is not above its ordinal. It starts a round that no earlier process of this incarnation
// had; otherwise later events would repeat the ids of earlier ones.
func (r *record) rewind(b *arrival) {
	d := r.openInquiry()
	d.firstRound = uint64(max(0, b.PublishedAt.UnixNano()))
	d.round = d.firstRound
	r.ordinal = 0
}

// rewound reports whether an earlier process had the same incarnation and a higher seq.
func (r *record) rewound() bool { return r.inquiry != nil && r.inquiry.firstRound > 0 }

// succeed applies a heartbeat of another incarnation than that of r.
func (s *state) succeed(b *arrival, r *record) outcome {
	stone := s.tombstones.find(r.key())
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

// admit applies a heartbeat of a server that is not registered.
func (s *state) admit(b *arrival) outcome {
	stone := s.tombstones.find(key{b.Service, b.ID})
	first := uint64(0)
	if stone == nil {
		return s.register(b, nil, first)
	}
	// The first registration of an incarnation has one event id, whichever heartbeat an API server receives first. A
	// registration after a removal has another id each time.
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
	since := time.Duration(never) // heartbeats beside the process that was registered then count, too
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

// farAhead is how far an incarnation may lie in the future. A clock that is further ahead gives an incarnation that later
// processes do not reach for a long time, so it must not replace a live server with a correct one.
const farAhead = 5 * time.Minute

// aheadOf reports whether the incarnation of b is far in the future and that of r is not. The present is the latest of three
// clocks: our wall clock, our wall clock at the start plus the time since, and the clock of nsqd. So no incarnation is in the
// future only because a clock was set back.
func (s *state) aheadOf(b *arrival, r *record) bool {
	latest := max(b.ReceivedAt.UnixMilli(), b.PublishedAt.UnixMilli(), s.epoch.UnixMilli()+b.now.Milliseconds()) + farAhead.Milliseconds()
	return b.Incarnation > latest && r.incarnation <= latest
}
