package registry

import (
	"slices"
	"strings"
	"time"
)

// leaseClock measures how long servers have been silent. Silence counts only while this process could have received a heartbeat,
// so that no server expires because an nsqd hangs, this process pauses or the network is cut. The clock learns of every message
// and every tick, and reads no other clock. Its time, the lease time (L), advances at a tick by
//
//	L += min(g, 2d) * s
//
// where
//
//	h  is the interval of heartbeats
//	d  is the interval of ticks
//	g  is the time since the previous tick, by the monotonic clock
//	K  is the set of the nsqd that have delivered a message or to which this process was ever connected
//	s  is the share of K that is receiving; 0 if a message waited too long in the mailbox (see explained)
//
// An nsqd is receiving while messages arrive through it, and silent after 2.5 s without a message. This process publishes a canary to
// each nsqd every second. The canary tests the whole way of a heartbeat: publishing, queue, RDY, TCP, handler and mailbox. A server
// publishes each heartbeat to a random nsqd. If one of three nsqd is silent, a third of the heartbeats may be delayed, so L advances at
// two thirds of its speed.
//
// An nsqd that is not in K possibly does not exist, so it does not slow L. An nsqd that accepts connections and delivers nothing is
// in K, because servers can publish to it: its topic may be paused. lag.go describes the effect of late messages and defines grace.
//
// Credits give back the time that should not have counted:
//
//	this process paused (g > 2d)  min(h, g - d)                   messages that queued meanwhile have an interval to arrive
//	an nsqd becomes silent        min(h, 2.5 s + explains(nsqd))  until now its silence counted against servers
//	an nsqd is receiving again    min(h, time silent)             messages that it held back have an interval to arrive
//
// A pause of this process does not make an nsqd silent.
//
// A credit c makes every lease younger by c, but not younger than a new lease. A credit moves the stamps, so L never decreases.
// If there are several credits at one tick, only the largest counts, because all of them give back the same time. Dead servers
// must expire even if an nsqd keeps changing or every tick is late. Therefore the sum of the credits has a limit, which is at
// most 2h + 2.5 s and grows by half of what L advances.
//
//	age of a lease = L - grace - stamp        stamp = max(stamp, L - delay) at each heartbeat
//
// The delay is the time that the heartbeat waited in NSQ: see pipeline.ClockSkew. The clock of the sender is not used.
type leaseClock struct {
	interval, tick time.Duration // interval of heartbeats, and interval of ticks
	canaries       time.Duration // interval of the canaries through one nsqd

	lease       leaseTime     // lease time at the last tick
	creditLimit time.Duration // sum of the credits that may still be given
	last        time.Duration // time of the last tick
	receiving   int64         // number of receiving nsqd; the lease time advances at receiving/known of normal speed
	known       int64         // number of nsqd that delivered a message or were ever connected; at least 1 after a tick
	unreached   int           // number of listed nsqd that delivered no message and were never connected
	grace       time.Duration // part of the age of every lease that late messages explain; see lag.go

	reached     func(addr string) bool // see Config.Reached; if nil, no nsqd counts as connected
	nsqds       map[string]*nsqd
	recent      *nsqd         // nsqd of the last message; the next message often comes through the same nsqd
	lastMessage time.Duration // when the newest message through any nsqd was received
	oldest      time.Duration // when the oldest message since the last tick was received; if there is none, the constant forever

	backlog bool // since the last call of late, a heartbeat arrived that had waited in NSQ for its TTL
}

func newLeaseClock(interval, tick, canaries time.Duration) leaseClock {
	c := leaseClock{interval: interval, tick: tick, canaries: canaries, receiving: 1, known: 1, nsqds: make(map[string]*nsqd), oldest: forever}
	c.creditLimit = c.maxCreditLimit()
	return c
}

// maxCreditLimit is the upper bound of creditLimit.
func (c *leaseClock) maxCreditLimit() time.Duration { return 2*c.interval + c.silentAfter() }

// silentAfter is the time without a message after which an nsqd counts as silent. It is 2.5 intervals of canaries: two canaries
// are missing by then, and half an interval is a margin.
func (c *leaseClock) silentAfter() time.Duration { return c.canaries * 5 / 2 }

// The method at converts the time now to a lease time. The next tick decides how much of the time since the last tick counts. Until
// then, at returns the latest lease time that is possible, so a lease that starts at this lease time never looks older than it is.
func (c *leaseClock) at(now time.Duration) leaseTime { return c.lease.add(min(now-c.last, 2*c.tick)) }

func (c *leaseClock) share(g time.Duration) time.Duration {
	if c.receiving == c.known {
		return g
	}
	return g * time.Duration(c.receiving) / time.Duration(c.known)
}

// received notes that a message arrived through an nsqd.
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
	s.at = max(s.at, now, c.last) // a message from before the last tick waited in the mailbox, and counts as received at the last tick
	c.lastMessage = max(c.lastMessage, s.at)
	c.oldest = min(c.oldest, now)
}

// The method blind reports whether no message has arrived through any nsqd for the time silentAfter().
func (c *leaseClock) blind() bool { return c.last-c.lastMessage >= c.silentAfter() }

// advance handles the tick at the time now: it advances the lease time (L) and returns the credit to give to every lease. The slice
// known lists the addresses of the existing nsqd. If it is nil, every nsqd counts as receiving.
func (c *leaseClock) advance(now time.Duration, known []string) (credit time.Duration) {
	lag := c.last - c.oldest
	c.oldest = forever
	now = max(now, c.last) // several goroutines read the time, so now can be a little before the last tick
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

// forgive subtracts a pause of this process from the silence of every nsqd that is not silent yet.
func (c *leaseClock) forgive(pause, now time.Duration) {
	c.lastMessage = min(c.lastMessage+pause, now)
	for _, s := range c.nsqds {
		if !s.silent {
			s.at = min(s.at+pause, now)
		}
	}
}

// updateKnown makes c.nsqds hold exactly the nsqd whose addresses are in the slice known.
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

// examine updates the reception of every nsqd, counts the receiving nsqd, and returns the credit for nsqd that became silent or
// are receiving again. The parameter before is the time of the previous tick.
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

// silentNSQD returns the addresses of the silent nsqd, sorted.
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

// The method credit makes every lease younger by the duration c, but not younger than a new lease.
func (s *state) credit(c time.Duration) {
	s.credited += c
	l := s.clock.lease
	for r := range s.records() {
		r.stamp = max(r.stamp, min(r.stamp.add(c), l))
		r.beat = max(r.beat, min(r.beat.add(c), l))
	}
}
