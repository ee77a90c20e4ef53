package registry

import (
	"cmp"
	"slices"
	"time"
)

// judgeStep is the largest number of servers that Run judges in one step. A step in which all of them expire takes less than 10 ms of
// processor time: see BenchmarkFleetDies. Between two steps of a tick, Run applies heartbeats and serves calls.
const judgeStep = 512

// beginTick advances the lease clock and finds the servers that are due, which judgeDue judges. It reads the other servers only to give
// them a credit or to choose a server for a control probe (see probeControl).
func (s *state) beginTick(at time.Time, nsqd []string) {
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
	s.due, s.dueAt = s.wheel.collect(now, s.due[:0]), m
}

// judgeDue judges the next servers that are due, at most limit of them. It returns false when the tick is complete. It judges the servers
// of a call in the order of their deadlines. Between two calls, other messages may renew or remove servers that are still to be judged.
func (s *state) judgeDue(limit int) (more bool) {
	step := s.due[s.judged:min(s.judged+limit, len(s.due))]
	slices.SortFunc(step, func(a, b *record) int { // events are emitted in the order of the deadlines
		return cmp.Or(cmp.Compare(a.deadline(), b.deadline()), byKey(a, b))
	})
	for _, r := range step {
		if !r.gone() {
			s.judge(r, s.dueAt)
		}
	}
	if s.judged += len(step); s.judged < len(s.due) {
		return true
	}
	clear(s.due)
	s.due, s.judged = s.due[:0], 0
	return false
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
