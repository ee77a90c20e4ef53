package registry

import "time"

// A message shows the state of its sender at the time of its stamp, not at the time of its arrival. The lag of an nsqd is the
// age of the newest stamp that came through it, when that message was applied. It does not matter where the message waited:
// in nsqd's queue, in the socket, in the pipeline or in the mailbox. An nsqd through which no message arrives is silent; it
// has no lag, because canaries bring a new stamp every second as long as any message arrives.
//
//	explains(nsqd) = min(h, lag - 1 s)   0 if the lag is below 1 s, or the nsqd is silent
//	grace          = the largest of them, over every nsqd
//	age of a lease = L - grace - stamp
//
// A heartbeat through the slowest nsqd may be on the way for as long as the lag. Under a steady lag of D, a lease is
// therefore never older than without the lag, and every end is found D - 1 s later. While a lag grows by one second per
// second, ages do not grow.
//
// Grace is at most an interval, so that a lag that grows for ever does not keep dead servers for ever. An nsqd with a lag of
// more than h + 1 s counts as silent in s: if it is one of three, L runs at two thirds of its speed; if all are so late, L
// stands still, and only evidence ends a server.

// lagLimit is the largest lag that changes nothing.
const lagLimit = time.Second

// measure updates the lag at a tick. before is the time of the tick before: the newest message was applied after it, so the
// lag is at least the difference. The lag stays until a newer message arrives or the nsqd is silent.
func (s *nsqd) measure(before time.Duration) {
	switch {
	case s.silent:
		s.lag = 0
	case s.newer:
		s.lag = max(0, before-s.reach)
	}
	s.newer = false
}

// late reports whether messages arrive through the nsqd, but too late.
func (s *nsqd) late() bool { return s.lag > lagLimit }

// explains returns the part of every age that the lag of an nsqd may explain.
func (c *leaseClock) explains(s *nsqd) time.Duration {
	return min(c.interval, max(0, s.lag-lagLimit))
}

// tooLate reports whether messages through an nsqd are so old that it counts as silent.
func (c *leaseClock) tooLate(s *nsqd) bool { return s.lag > c.interval+lagLimit }

// explained returns how long a message may have waited in the mailbox at a tick that comes g after the tick before.
func (c *leaseClock) explained(g time.Duration) time.Duration {
	if c.grace == 0 {
		return lagLimit
	}
	return lagLimit + c.grace + g
}
