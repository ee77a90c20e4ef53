package registry

import "time"

// Old messages are no sight of the present: what was heard through an nsqd reaches as far as its newest stamp. The lag of
// an nsqd is the age of that stamp when it was applied, wherever the message waited: in nsqd's queue, in the socket, in the
// pipeline, or in the mailbox. Canaries bring a stamp every second, so an nsqd without one for longer is silent and not late.
//
//	explains(nsqd) = min(h, lag - 1 s)   0 below 1 s, and for one that is silent
//	grace          = the largest of them, over every nsqd
//	age of a lease = L - grace - stamp
//
// Under a steady lag of D every end is found D - 1 s later and no lease is older than without the lag, because a heartbeat
// through the slowest nsqd may be on the way for D. As a lag grows by a second in a second, ages stand still.
//
// Grace is bounded by an interval, so that a lag that grows for ever does not keep the dead for ever. An nsqd that lags by
// more than h + 1 s counts as silent in s: with one of three, L runs at two thirds; with all of them it stands still, and only
// evidence ends a server.

// measure brings the lag up to date at a tick. before is the time of the tick before: what moved the reach was applied later,
// so the lag is at least the difference. While nothing newer comes the lag stays, until the nsqd is silent.
func (s *nsqd) measure(before time.Duration) {
	switch {
	case s.silent:
		s.lag = 0
	case s.newer:
		s.lag = max(0, before-s.reach)
	}
	s.newer = false
}

// explains is how much of every age the lag of an nsqd may be the reason for.
func (c *leaseClock) explains(s *nsqd) time.Duration {
	return min(c.interval, max(0, s.lag-lagLimit))
}

// tooLate reports whether messages through an nsqd are so old that it counts as silent.
func (c *leaseClock) tooLate(s *nsqd) bool { return s.lag > c.interval+lagLimit }

// judged is the moment of the lease clock by which leases are judged.
func (c *leaseClock) judged() time.Duration { return c.lease - c.grace }

// explained is how long a message may have waited in the mailbox, at a tick g after the one before.
func (c *leaseClock) explained(g time.Duration) time.Duration {
	if c.grace == 0 {
		return lagLimit
	}
	return lagLimit + c.grace + g
}
