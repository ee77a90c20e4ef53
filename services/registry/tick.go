package registry

import (
	"cmp"
	"slices"
	"time"
)

// tick moves the lease clock, then looks at the servers that are due for it, and only at those.
func (s *state) tick(at time.Time, nsqd []string) {
	now := s.since(at)
	s.vitals = nil
	g := now - s.clock.last
	if credit := s.clock.advance(now, nsqd); credit > 0 {
		s.credit(credit)
	}
	s.losses.turn(now)
	s.settle(at, now, g)
	s.settleConflict(at, now)
	s.tombstones.expire(now)
	s.ignored.sweep(now)
	s.due = s.wheel.collect(now, s.due[:0])
	slices.SortFunc(s.due, func(a, b *record) int { // the order of events is that of the deadlines
		return cmp.Or(cmp.Compare(a.deadline(), b.deadline()), byKey(a, b))
	})
	for _, r := range s.due {
		s.judge(r, at, now)
	}
	if slices.ContainsFunc(s.due, (*record).gone) { // once for all: half of the fleet may go in one tick
		s.order = slices.DeleteFunc(s.order, (*record).gone)
	}
	clear(s.due)
}

// schedule sets the next look at a server: each tick at a suspect, at others when they would be suspect, by the lease
// clock or by the plain one. The lease clock is never the faster one, so no look is late.
func (s *state) schedule(r *record, now time.Duration) {
	due := now + r.suspectAfter() - (s.clock.at(now) - r.stamp)
	switch {
	case r.suspect:
		due = now
	case r.doubt != nil && now-r.sent >= r.suspectAfter():
		due = min(due, max(r.doubt.askAt, now+s.cfg.Tick))
	}
	s.wheel.place(r, due)
}
