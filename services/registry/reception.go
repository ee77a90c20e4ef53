package registry

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// NSQD describes the reception of messages through one nsqd.
type NSQD struct {
	Address   string
	Reception Reception
	Lag       time.Duration // how long the last message waited in NSQ
}

// Reception says whether messages arrive through an nsqd.
type Reception string

// The values of Reception.
const (
	NSQDReceiving Reception = "receiving"
	NSQDLate      Reception = "late"      // messages are more than 1 s old when the registry applies them
	NSQDSilent    Reception = "silent"    // no message has arrived for 2.5 s
	NSQDNew       Reception = "new"       // no message has arrived yet, and the nsqd was listed or first connected less than 2.5 s ago
	NSQDUnreached Reception = "unreached" // no message has ever arrived, and this process was never connected to the nsqd, which therefore slows no lease
)

// nsqd is what the lease clock knows about the messages that arrive through one nsqd.
type nsqd struct {
	addr        string
	ever        bool          // a message has arrived through this nsqd
	joined      bool          // this process was connected to this nsqd before any message arrived
	at          time.Duration // when the last message arrived; before the first message, when the nsqd was listed or joined
	delay       time.Duration // how long the last message waited in NSQ
	silent      bool
	silentSince time.Duration
	until       leaseTime // lease time when the nsqd was last silent or too late

	reach time.Duration // newest time at which this nsqd stamped a message that arrived, by our clock
	newer bool          // the field reach has grown since the previous tick
	lag   time.Duration // age of the newest stamp when the registry applied the message; see lag.go

	canaryEver bool          // a canary has arrived through this nsqd
	canaryAt   time.Duration // when the last canary arrived
	canaryLost bool          // a canary was late or lost since the last call of leaseClock.late
}

func (c *leaseClock) reception(s *nsqd) Reception {
	switch {
	case s.silent:
		return NSQDSilent
	case !s.ever && c.last-s.at >= c.silentAfter():
		return NSQDUnreached
	case !s.ever:
		return NSQDNew
	case s.late():
		return NSQDLate
	}
	return NSQDReceiving
}

// list returns the reception of every known nsqd, sorted by address.
func (c *leaseClock) list() []NSQD {
	all := make([]NSQD, 0, len(c.nsqds))
	for _, s := range c.nsqds {
		all = append(all, NSQD{s.addr, c.reception(s), s.delay})
	}
	slices.SortFunc(all, func(a, b NSQD) int { return cmp.Compare(a.Address, b.Address) })
	return all
}

// withUnreached extends the duration d because of the nsqd that this process never reached. The duration d is the longest time that
// a server may stay without a heartbeat if it answers probes. A healthy server may also publish to unreached nsqd: if one of two
// nsqd is unreached, half of its heartbeats do not arrive, so d is doubled.
func (c *leaseClock) withUnreached(d time.Duration) time.Duration {
	if c.unreached == 0 || c.known == 0 {
		return d
	}
	return d * time.Duration(c.known+int64(c.unreached)) / time.Duration(c.known)
}

// silentRatio returns which part of the nsqd is silent or delivers messages too late. It leaves out the nsqd that this process never reached.
func (c *leaseClock) silentRatio() float64 { return 1 - float64(c.receiving)/float64(c.known) }

// remarks returns one sentence about the silent nsqd, one about the late nsqd, and one about the unreached nsqd, if there are such nsqd.
func (c *leaseClock) remarks() []string {
	var remarks []string
	remark := func(format string, args ...any) { remarks = append(remarks, fmt.Sprintf(format, args...)) }
	var late int
	var lag time.Duration
	for _, s := range c.nsqds {
		if s.late() {
			late++
			lag = max(lag, s.lag)
		}
	}
	if c.receiving > 0 && c.receiving < c.known {
		remark("%d of %d nsqd are silent: leases age at %d %% of normal speed", c.known-c.receiving, c.known, c.receiving*100/c.known)
	}
	if late > 0 {
		remark("messages arrive up to %v late through %d of %d nsqd: leases are extended by %v, and stand still while every nsqd is late by more than %v",
			lag.Round(100*time.Millisecond), late, c.known, c.grace.Round(100*time.Millisecond), c.interval+lagLimit)
	}
	if c.unreached > 0 {
		remark("%d nsqd were never reached: they slow no lease", c.unreached)
	}
	return remarks
}

// detail describes what the mode m means now, and what is wrong with the nsqd and with the delivery of heartbeats.
func (s *state) detail(m Mode) string {
	words := append([]string{s.modeDetail(m)}, s.clock.remarks()...)
	if loss := s.losses.remark(); loss != "" {
		words = append(words, loss)
	}
	return strings.Join(words, "; ")
}
