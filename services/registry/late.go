package registry

import "time"

// canary notes that a canary arrived through an nsqd. A canary counts as lost if it waited in NSQ for more than lagLimit, or if
// no canary arrived for canaryGap before it. The lag alone does not show a backlog: nsqd takes messages in turn from memory and
// from disk, so a new message can overtake older messages that still wait.
func (c *leaseClock) canary(via string, now, delay time.Duration) {
	s := c.nsqds[via]
	if s == nil {
		return
	}
	if delay > lagLimit || s.canaryEver && now-s.canaryAt >= c.canaryGap() {
		s.canaryLost = true
	}
	s.canaryEver, s.canaryAt = true, max(s.canaryAt, now)
}

// canaryGap is 1.8 intervals of canaries. After this time without a canary through an nsqd, one canary counts as lost.
func (c *leaseClock) canaryGap() time.Duration { return c.canaries * 9 / 5 }

// The method late reports whether messages were lost or waited too long in a receiving nsqd since its last call. If so, the
// registry may not know yet which servers are alive.
func (c *leaseClock) late() (late bool) {
	late, c.backlog = c.backlog, false
	for _, s := range c.nsqds {
		if s.ever && !s.silent {
			late = late || s.late() || s.canaryLost || s.canaryEver && c.last-s.canaryAt >= c.canaryGap()
		}
		s.canaryLost = false
	}
	return late
}

// whole reports whether every server that publishes is registered. This is so if no message was late for an interval, or if the
// registry was restored from a fresh snapshot.
func (s *state) whole(at time.Time) bool {
	if s.clock.late() {
		s.lateAt = s.clock.lease
	}
	return s.clock.lease.sub(s.lateAt) >= s.cfg.Interval || s.cfg.Restore.fresh(at)
}
