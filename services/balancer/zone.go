package balancer

import "time"

// peak remembers the most that a number was in the last five minutes, to the minute. A zone whose
// servers died is small because they are off the roll, and would look healthy without it: two
// servers left of forty are all of two.
//
// It cannot tell those that died from those that left on purpose: a zone made smaller by more than
// half is not preferred for five minutes.
type peak struct {
	minutes [6]int // the most in this minute and in each of the five before it
	origin  time.Time
	minute  int64 // since origin
}

// observe takes the number as it is now, and returns the most it was.
func (p *peak) observe(n int, now time.Time) int {
	if p.origin.IsZero() {
		p.origin = now
	}
	minute := int64(now.Sub(p.origin) / time.Minute)
	if minute-p.minute >= int64(len(p.minutes)) {
		clear(p.minutes[:])
		p.minute = minute
	}
	for ; p.minute < minute; p.minute++ {
		p.minutes[(p.minute+1)%int64(len(p.minutes))] = 0
	}
	here := &p.minutes[p.minute%int64(len(p.minutes))]
	*here = max(*here, n)
	most := 0
	for _, m := range p.minutes {
		most = max(most, m)
	}
	return most
}

// zone counts the servers of the caller's zone.
type zone struct {
	peak            peak
	servers, usable int
}

// preferred reports whether the zone can serve alone: at least half of its servers are usable.
func (z *zone) preferred(now time.Time) bool {
	servers := z.peak.observe(z.servers, now)
	return z.usable > 0 && 2*z.usable >= servers
}
