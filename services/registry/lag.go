package registry

import "time"

// A message shows the state of its sender at the time of its stamp, not at the time of its arrival. The stamp is when nsqd
// received the message. The lag of an nsqd is the age of the newest stamp that came through it, at the time when the registry
// applied the message with this stamp. It does not matter where the message waited: in the queue of nsqd, in the socket, in the
// pipeline or in the mailbox. An nsqd through which no message arrives is silent and has no lag: as long as any message arrives,
// canaries bring a new stamp every second. L is the lease time, the stamp of a lease is the lease time at which it starts, and h
// is the interval of heartbeats: see lease.go.
//
//	explains(nsqd) = min(h, lag - 1 s)   0 if the lag is below 1 s, or the nsqd is silent
//	grace          = the largest explains(nsqd) of all nsqd
//	age of a lease = L - grace - stamp
//
// A heartbeat through the slowest nsqd may be on the way for as long as the lag. Under a steady lag of D, with D - 1 s at most
// h, the lease of a live server therefore gets at most about 1 s older than without the lag, and every end is found D - 1 s
// later. While a lag grows by one second per second, grace grows as fast as L, so ages do not grow.
//
// Grace is at most h, because otherwise a lag that grows forever would keep dead servers forever. An nsqd with a lag of more
// than h + 1 s slows L as a silent nsqd does. If one of three nsqd is so late, L runs at two thirds of its speed. If every nsqd
// is so late, L stands still, and only evidence ends a server.

// lagLimit is the lag up to which an nsqd is not late. A larger lag makes leases younger.
const lagLimit = time.Second

// measure updates the lag of an nsqd at a tick. The parameter before is the time of the previous tick. If the newest stamp
// (s.reach) has grown since the previous tick, the message with this stamp was applied after the previous tick. So its age was at
// least before - s.reach, which is the new lag. The lag stays the same until s.reach grows again or the nsqd is silent.
func (s *nsqd) measure(before time.Duration) {
	switch {
	case s.silent:
		s.lag = 0
	case s.newer:
		s.lag = max(0, before-s.reach)
	}
	s.newer = false
}

// The method late reports whether messages arrive through the nsqd, but later than lagLimit allows.
func (s *nsqd) late() bool { return s.lag > lagLimit }

// explains returns how much of the age of a lease the lag of the nsqd s can explain.
func (c *leaseClock) explains(s *nsqd) time.Duration {
	return min(c.interval, max(0, s.lag-lagLimit))
}

// tooLate reports whether the lag of an nsqd is so large that the nsqd counts as silent.
func (c *leaseClock) tooLate(s *nsqd) bool { return s.lag > c.interval+lagLimit }

// explained returns how long a message may wait in the mailbox without stopping the lease time. The parameter g is the time since
// the previous tick.
func (c *leaseClock) explained(g time.Duration) time.Duration {
	if c.grace == 0 {
		return lagLimit
	}
	return lagLimit + c.grace + g
}
