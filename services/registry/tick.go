package registry

import (
	"cmp"
	"slices"
	"time"
)

// The method tick advances the lease clock and judges the servers that are due. It reads the other servers only to give them a credit
// or to choose a server for a control probe (see probeControl).
func (s *state) tick(at time.Time, nsqd []string) {
	m := s.moment(at)
	now := m.now
	g := now - s.clock.last
	if credit := s.clock.advance(now, nsqd); credit > 0 {
		s.credit(credit)
	}
	s.losses.turn(now)
	s.settle(m, g)
	s.settleConflict(m)
	s.tombstones.expire(now)
	s.ignored.sweep(now)
	s.due = s.wheel.collect(now, s.due[:0])
	slices.SortFunc(s.due, func(a, b *record) int { // events are emitted in the order of the deadlines
		return cmp.Or(cmp.Compare(a.deadline(), b.deadline()), byKey(a, b))
	})
	for _, r := range s.due {
		s.judge(r, m)
	}
	clear(s.due)
}

// schedule sets when r is judged next: a suspect at the next tick, another server when it could become suspect. The lease clock
// is never faster than the monotonic clock, so a server cannot become suspect before that time. A server that is silent, but not
// suspect because the lease clock was slow, is judged when its next probe is due.
func (s *state) schedule(r *record, now time.Duration) {
	due := now + r.suspectAfter() - s.clock.at(now).sub(r.stamp)
	switch {
	case r.suspect:
		due = now
	case r.inquiry != nil && now-r.sent >= r.suspectAfter():
		due = min(due, max(r.inquiry.probe.notBefore, now+s.cfg.Tick))
	}
	s.wheel.place(r, due)
}
