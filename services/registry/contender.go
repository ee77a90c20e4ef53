package registry

import "time"

// (incarnation, seq) orders the heartbeats of one server, but a live process may break this order: its host started with an
// earlier clock, its container has the same start time at each start, its clock was ahead and is corrected, or a damaged message
// raised its seq. A heartbeat that breaks the order is a contender. NSQ delivers messages late and more than once, so a
// contender may also be an old message of a process that is gone. Therefore a contender is ignored at first.
//
// To tell a live process from an old message, the registry compares when nsqd received each heartbeat. This is the time of receipt here
// minus the delay in NSQ; pipeline.ClockSkew removes the differences between the clocks from the delay. A heartbeat that waited in a
// queue was published before the newest heartbeat of the record, so it never replaces the record. A contender replaces the record if
//
//	an earlier contender and this contender were both published after the newest heartbeat of the record,
//	at least half an interval lies between the two contenders, because a paused nsqd gives one stamp to all messages that waited, and
//	the next heartbeat of the record is overdue: see record.overdue.
//
// So of two live processes with one id, the registered process stays as long as its heartbeats arrive.
//
// There is one exception. A record is rewound if an earlier process had its incarnation (see rewind). If a heartbeat then repeats the
// newest seq of the record, the sender does not increment seq. This heartbeat is accepted at once, if it was published at least half
// an interval after the newest heartbeat of the record.

// maxLeap, plus 2 for each nanosecond between two heartbeats, is the largest increase of seq from one heartbeat to the next: some
// senders use a clock in nanoseconds as seq. A larger increase means that the message is damaged: see leaps.
const maxLeap = 1 << 20

// leaps reports whether the seq of the heartbeat b is so far above the newest seq of r that b must be damaged: see maxLeap.
func (r *record) leaps(b *arrival) bool {
	if b.ordinal <= r.ordinal || b.ordinal-r.ordinal <= maxLeap || r.kept == 0 { // kept is 0: r is from a snapshot, so r.sent is not known
		return false
	}
	return b.ordinal-r.ordinal-maxLeap > 2*uint64(max(0, b.sent()-r.sent))
}

// contend notes the heartbeat b, which breaks the order of the heartbeats of r, and reports whether the sender of b replaces r.
// If the sender does not replace r, b is ignored, and the parameter why is the reason.
func (s *state) contend(b *arrival, r *record, why objection) bool {
	silence := b.sent() - r.sent
	again := b.Incarnation == r.incarnation && b.ordinal == r.ordinal
	switch {
	case silence <= 0: // b was published before the newest heartbeat of r
		return false
	case again && silence < r.interval()/2: // b is a copy, which the sender published to another nsqd because the first nsqd did not respond
		return false
	case again && r.rewound(): // the sender of r does not increment seq
		return true
	}
	proven := s.heardTwice(b, r.sent) && silence >= r.overdue()
	if !proven {
		s.ignore(b, why)
	}
	return proven
}

// heardTwice notes the heartbeat b, which was published after the time since. It reports whether its sender also published an
// earlier heartbeat after this time, at least half an interval before b. After a gap of more than a TTL between two heartbeats,
// the heartbeats before the gap do not count.
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

// contended reports whether r is silent while a contender of r publishes. Silence then does not expire r, because the second
// heartbeat of the contender replaces r. If the contender cannot replace r, for example because another server has its address,
// r is kept until three TTL after the last heartbeat of r.
func (s *state) contended(r *record) bool {
	g := s.ignored.entries[r.key()]
	return g != nil && g.last > r.sent && s.clock.last-g.last < g.ttl && s.clock.last-r.sent < 3*r.ttl
}

// rewind makes r accept a seq that is not above r.ordinal. Heartbeats then repeat ordinals, so the ids of events need a round
// that no earlier process of this incarnation had. The time at which b was published is such a round.
func (r *record) rewind(b *arrival) {
	d := r.openInquiry()
	d.firstRound = uint64(max(0, b.PublishedAt.UnixNano()))
	d.round = d.firstRound
	r.ordinal = 0
}

// rewound reports whether r was rewound, because an earlier process had the same incarnation and a seq that was not lower.
func (r *record) rewound() bool { return r.inquiry != nil && r.inquiry.firstRound > 0 }

// succeed applies a heartbeat whose incarnation is not the incarnation of r.
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
	// All API servers give the first registration of an incarnation the same event id: first is 0, whichever heartbeat an API
	// server receives first. After a removal, the ordinal gives each further registration of the incarnation another event id.
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
	since := time.Duration(never) // b has another incarnation than the removed server: heartbeats from before the removal count, too
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

// farAhead is how far in the future the incarnation of a process (its start time) may lie, if the process is to replace a live
// server whose incarnation is not so far in the future. Beyond farAhead the clock of the host is wrong: if the process were
// registered, later processes of the server would be refused for a long time, because their incarnations are lower.
const farAhead = 5 * time.Minute

// aheadOf reports whether the incarnation of b is far in the future and the incarnation of r is not. The present is the latest
// of three times: the wall clock of this process, its wall clock at the epoch of the state plus the monotonic time since then,
// and the clock of nsqd. So no incarnation counts as far in the future only because one of the clocks was set back.
func (s *state) aheadOf(b *arrival, r *record) bool {
	latest := max(b.ReceivedAt.UnixMilli(), b.PublishedAt.UnixMilli(), s.epoch.UnixMilli()+b.now.Milliseconds()) + farAhead.Milliseconds()
	return b.Incarnation > latest && r.incarnation <= latest
}
