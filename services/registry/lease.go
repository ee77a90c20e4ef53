package registry

import (
	"slices"
	"strings"
	"time"
)

// leaseClock is the time by which leases age, L below. It stands in for "now" in the question how long a server has
// been silent, because silence counts against a server only as far as we could have heard it: an nsqd that hangs, a
// pause of this process or a cut network must expire nobody. It is told of every message and every tick, and looks at
// no clock; its own time is that of state.
//
// With h the interval of heartbeats, d that of ticks, K the number of nsqd through which a message ever came, and g the
// time since the tick before, by the monotonic clock:
//
//	s = 0 if nothing comes through any nsqd or a message waited in the mailbox for more than 1 s + grace, else receiving/K
//	L += min(g, 2d) * s
//
// An nsqd to which this process was never connected and through which no message ever came is not in K: it may not exist. One
// that was connected and delivers nothing is in K, because servers can publish to it: its topic may be paused. In lag.go is
// what late messages change.
//
// An nsqd is receiving when any message has come through it, and silent after 2.5 s without one. The canaries that this
// process publishes to each nsqd every second see to it that one comes wherever one can: through publishing, queue,
// RDY, TCP, handler and mailbox. A server sends each heartbeat through a random nsqd, so with one of three silent a third
// of the heartbeats may be on the way without our knowing, and silence counts two thirds.
//
// What we could not know when it happened is given back afterwards:
//
//	g > 2d               credit min(h, g - d)      a stall of ours ended: what queued has an interval to arrive
//	an nsqd newly silent  credit 2.5 s               its silence was taken for theirs until now, if it was ever heard
//	an nsqd receiving again  credit min(h, time silent) what it held back has an interval to arrive
//
// A stall of ours is no silence of an nsqd, either: what is more than a tick of it counts for none that was receiving.
//
// credit(c) makes every lease younger by c, but none younger than new. (Stamps move towards L, which comes to the same
// as L going back, and so L only goes forward.) Of several credits at one tick the largest counts, because all of them
// give back the same time. An nsqd that comes and goes, or ticks that are always late, must not keep the dead for ever: so
// credits come out of a credit limit of 2h + 2.5 s, into which goes half of what L advances.
//
//	age of a lease = L - grace - stamp        stamp = max(stamp, L - delay) at each heartbeat
//
// The delay is the time that the heartbeat waited in NSQ, free of the skew of clocks: pipeline.ClockSkew has its formula.
// The sender's clock is used for nothing.
type leaseClock struct {
	interval, tick time.Duration // h and d
	canaries       time.Duration // interval of the canaries through each nsqd

	lease       leaseTime     // L at the last tick
	creditLimit time.Duration // what may be given back now
	last        time.Duration // when that was
	receiving   int64         // s = receiving/known until the next tick
	known       int64
	unreached   int           // nsqd that are not in K
	grace       time.Duration // what the lag of nsqd explains of every age; see lag.go

	reached     func(addr string) bool // see Config; nil: none was
	nsqds       map[string]*nsqd
	recent      *nsqd         // that of the last message: mostly the next one comes the same way
	lastMessage time.Duration // when the last message came through any nsqd
	oldest      time.Duration // receipt of the oldest message since the last tick; forever if there was none

	backlog bool // a heartbeat has come that waited for its whole TTL, since late was asked
}

func newLeaseClock(interval, tick, canaries time.Duration) leaseClock {
	c := leaseClock{interval: interval, tick: tick, canaries: canaries, receiving: 1, known: 1, nsqds: make(map[string]*nsqd), oldest: forever}
	c.creditLimit = c.maxCreditLimit()
	return c
}

// maxCreditLimit is the upper bound of creditLimit.
func (c *leaseClock) maxCreditLimit() time.Duration { return 2*c.interval + c.silentAfter() }

// silentAfter is the time without a message after which an nsqd counts as silent: two canaries and half of the next one are
// missing by then.
func (c *leaseClock) silentAfter() time.Duration { return c.canaries * 5 / 2 }

// at is what L may be at most at a moment near to the last tick: the next one will tell how much of the time counts, and
// a heartbeat must not be older then than it is.
func (c *leaseClock) at(now time.Duration) leaseTime { return c.lease.add(min(now-c.last, 2*c.tick)) }

func (c *leaseClock) share(g time.Duration) time.Duration {
	if c.receiving == c.known {
		return g
	}
	return g * time.Duration(c.receiving) / time.Duration(c.known)
}

// saw notes that a message came through an nsqd.
func (c *leaseClock) received(via string, now, delay time.Duration) {
	s := c.recent
	if s == nil || s.addr != via {
		if s = c.nsqds[via]; s == nil {
			s = &nsqd{addr: strings.Clone(via)}
			c.nsqds[s.addr] = s
		}
		c.recent = s
	}
	if at := now - delay; !s.ever || at > s.reach {
		s.reach, s.newer = at, true
	}
	s.ever, s.delay = true, delay
	s.at = max(s.at, now, c.last) // it is applied now, and that is after the last tick, however long ago it was received
	c.lastMessage = max(c.lastMessage, s.at)
	c.oldest = min(c.oldest, now)
}

// blind reports whether every nsqd is silent, because no message has arrived for silentAfter.
func (c *leaseClock) blind() bool { return c.last-c.lastMessage >= c.silentAfter() }

// advance moves L to a tick, and returns the credit for every lease. known are the nsqd that there are; nil says that
// the caller does not care, and then all are receiving.
func (c *leaseClock) advance(now time.Duration, known []string) (credit time.Duration) {
	lag := c.last - c.oldest
	c.oldest = forever
	now = max(now, c.last) // as several goroutines read the time it may go back by a little
	g := now - c.last
	if g > 2*c.tick {
		credit = min(c.interval, g-c.tick)
		c.forgive(g-c.tick, now)
	}
	before := c.last
	c.last = now
	c.updateKnown(known, now)
	credit = max(credit, c.examine(now, before))
	switch {
	case known == nil:
		c.lastMessage, c.receiving, c.known, c.unreached, c.grace = now, 1, 1, 0, 0
	case c.known == 0 || lag > c.explained(g):
		c.receiving, c.known = 0, 1
	}
	passed := c.share(min(g, 2*c.tick))
	c.lease = c.lease.add(passed)
	c.creditLimit = min(c.maxCreditLimit(), c.creditLimit+passed/2)
	credit = min(credit, c.creditLimit)
	c.creditLimit -= credit
	return credit
}

// forgive takes a pause of ours out of the silence of nsqd.
func (c *leaseClock) forgive(pause, now time.Duration) {
	c.lastMessage = min(c.lastMessage+pause, now)
	for _, s := range c.nsqds {
		if !s.silent {
			s.at = min(s.at+pause, now)
		}
	}
}

// know brings K up to date.
func (c *leaseClock) updateKnown(known []string, now time.Duration) {
	for _, addr := range known {
		if c.nsqds[addr] == nil {
			c.nsqds[addr] = &nsqd{addr: addr, at: now}
		}
	}
	if len(c.nsqds) == len(known) {
		return
	}
	for addr := range c.nsqds {
		if !slices.Contains(known, addr) {
			delete(c.nsqds, addr)
			c.recent = nil
		}
	}
}

// look finds out which nsqd are silent or late, counts those that are receiving, and returns the credit for what has changed.
// before is the time of the tick before.
func (c *leaseClock) examine(now, before time.Duration) (credit time.Duration) {
	c.receiving, c.known, c.unreached, c.grace = 0, 0, 0, 0
	for _, s := range c.nsqds {
		if !s.ever && !s.joined && c.reached != nil && c.reached(s.addr) {
			s.joined, s.at = true, now
		}
		if !s.ever && !s.joined {
			c.unreached++
			continue
		}
		c.known++
		silent := now-s.at >= c.silentAfter()
		switch {
		case silent && !s.silent:
			s.silentSince = now
			credit = max(credit, min(c.interval, c.silentAfter()+c.explains(s)))
		case !silent && s.silent:
			credit = max(credit, min(c.interval, now-s.silentSince))
		}
		s.silent = silent
		s.measure(before)
		if silent || c.tooLate(s) {
			s.until = c.lease
		} else {
			c.receiving++
		}
		c.grace = max(c.grace, c.explains(s))
	}
	return credit
}

// silentNSQD are the addresses of the silent nsqd, sorted.
func (c *leaseClock) silentNSQD() []string {
	var silent []string
	for addr, s := range c.nsqds {
		if s.silent {
			silent = append(silent, addr)
		}
	}
	slices.Sort(silent)
	return silent
}

// credit makes every lease younger by c, and none younger than new.
func (s *state) credit(c time.Duration) {
	s.credited += c
	l := s.clock.lease
	for _, r := range s.order {
		r.stamp = max(r.stamp, min(r.stamp.add(c), l))
		r.beat = max(r.beat, min(r.beat.add(c), l))
	}
}
