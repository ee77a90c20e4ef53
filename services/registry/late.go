package registry

import "time"

// canaryGap is how long no canary may come before one counts as late or lost. They come every second.
const canaryGap = 1800 * time.Millisecond

// canary notes that a canary came through an nsqd that saw knows.
func (c *leaseClock) canary(via string, now, delay time.Duration) {
	s := c.nsqds[via]
	if s == nil {
		return
	}
	if s.canaryEver && now-s.canaryAt >= canaryGap {
		s.canaryLost = true
	}
	s.canaryEver, s.canaryAt, s.canaryDelay = true, max(s.canaryAt, now), delay
}

// late reports whether messages wait in an nsqd that is heard, or get lost there, since the tick before: a backlog is in
// front of what servers say now. Where no canary has come yet, the last heartbeat tells. Canaries alone do not: nsqd takes
// messages in turn from memory and from disk, so one can overtake a backlog in which heartbeats wait.
func (c *leaseClock) late() (late bool) {
	late, c.backlog = c.backlog, false
	for _, s := range c.nsqds {
		switch {
		case !s.ever || s.silent:
		case s.canaryEver:
			late = late || s.canaryLost || s.canaryDelay > lagLimit || c.last-s.canaryAt >= canaryGap
		default:
			late = late || s.delay > lagLimit
		}
		s.canaryLost = false
	}
	return late
}

// whole reports whether every server that publishes is on the roll: it was heard for an interval in which nothing was
// late, or restored from a snapshot that is fresh.
func (s *state) whole(at time.Time) bool {
	if s.clock.late() {
		s.lateAt = s.clock.lease
	}
	return s.clock.lease-s.lateAt >= s.cfg.Interval || s.cfg.Restore.fresh(at)
}
