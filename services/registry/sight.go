package registry

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sight is how one nsqd is heard.
type Sight struct {
	Address string
	State   SightState
	Lag     time.Duration // how long the last message waited in NSQ
}

// SightState is whether messages come through an nsqd.
type SightState string

const (
	SightSeen    SightState = "seen"
	SightLate    SightState = "late"    // messages are more than 1 s old when they are applied
	SightBlind   SightState = "blind"   // nothing has come for 2.5 s
	SightNew     SightState = "new"     // nothing has come yet, and it is not known for so long
	SightUnheard SightState = "unheard" // never connected, and nothing has ever come: it counts for nothing
)

func (s *sight) state(now time.Duration) SightState {
	switch {
	case s.blind:
		return SightBlind
	case !s.ever && now-s.at >= blindAfter:
		return SightUnheard
	case !s.ever:
		return SightNew
	case s.lag > lagLimit:
		return SightLate
	}
	return SightSeen
}

func (c *leaseClock) sights() []Sight {
	all := make([]Sight, 0, len(c.nsqds))
	for _, s := range c.nsqds {
		all = append(all, Sight{s.addr, s.state(c.last), s.delay})
	}
	slices.SortFunc(all, func(a, b Sight) int { return cmp.Compare(a.Address, b.Address) })
	return all
}

// ifUnheard is for how long a server that answers probes may go without a heartbeat, given for how long it may when every
// nsqd is heard. A server that publishes to a random nsqd may be healthy and use those that this process never reached:
// with one of two unheard half of its heartbeats are lost, and the bound must not end it.
func (c *leaseClock) ifUnheard(d time.Duration) time.Duration {
	if c.unheard == 0 || c.known == 0 {
		return d
	}
	return d * time.Duration(c.known+int64(c.unheard)) / time.Duration(c.known)
}

// blindShare is the part of the nsqd ever heard through which nothing comes now, or only messages that are too late.
func (c *leaseClock) blindShare() float64 { return 1 - float64(c.seen)/float64(c.known) }

// remarks say in words what slows the lease clock and what does not.
func (c *leaseClock) remarks() []string {
	var remarks []string
	remark := func(format string, args ...any) { remarks = append(remarks, fmt.Sprintf(format, args...)) }
	var late int
	var lag time.Duration
	for _, s := range c.nsqds {
		if s.ever && !s.blind && s.lag > lagLimit {
			late++
			lag = max(lag, s.lag)
		}
	}
	if c.seen > 0 && c.seen < c.known {
		remark("%d of %d nsqd blind: leases age at %d %% of their speed", c.known-c.seen, c.known, c.seen*100/c.known)
	}
	if late > 0 {
		remark("messages arrive up to %v late through %d of %d nsqd: leases are extended by %v, and stand still while every nsqd is late by more than %v",
			lag.Round(100*time.Millisecond), late, c.known, c.grace.Round(100*time.Millisecond), c.interval+lagLimit)
	}
	if c.unheard > 0 {
		remark("%d nsqd never heard: they count for nothing", c.unheard)
	}
	return remarks
}

// detail says in words what a mode means, and what is wrong with the nsqd.
func (s *state) detail(m Mode) string {
	words := append([]string{s.modeDetail(m)}, s.clock.remarks()...)
	if loss := s.losses.remark(); loss != "" {
		words = append(words, loss)
	}
	return strings.Join(words, "; ")
}
