package balancer

import "time"

// peak remembers the maximum of a number over the last five minutes, with a resolution of a minute.
//
// A zone is preferred only if at least half of its servers are usable. The number of its servers is the peak, because dead servers leave
// the membership: without the peak, a zone that has lost 38 of 40 servers would look complete.
//
// The peak cannot distinguish servers that died from servers that were removed on purpose. If an operator removes more than half of a
// zone, the zone is not preferred for five minutes.
type peak struct {
	minutes [6]int    // maximum in the current minute and in each of the five minutes before
	origin  time.Time // time of the first call of observe
	minute  int64     // number of the current minute, counted from origin
}

// observe records the number n at the time now, and returns the maximum of the last five minutes.
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
	current := &p.minutes[p.minute%int64(len(p.minutes))]
	*current = max(*current, n)
	most := 0
	for _, m := range p.minutes {
		most = max(most, m)
	}
	return most
}

// zone counts the servers of Config.Zone that are not excluded: their weight is above 0 and they are not draining.
type zone struct {
	peak            peak
	servers, usable int
}

// preferred reports whether at least half of the zone's servers are usable, so that the zone can serve alone.
func (z *zone) preferred(now time.Time) bool {
	servers := z.peak.observe(z.servers, now)
	return z.usable > 0 && 2*z.usable >= servers
}
