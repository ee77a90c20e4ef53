package balancer

import "time"

// Outcome is the result of a request, as far as it concerns the server.
type Outcome uint8

const (
	Answered  Outcome = iota // the server answered
	Failed                   // the server failed: no connection, connection reset, timeout, or a status from 502 to 504
	Abandoned                // the result says nothing about the server: the client went away or sent an invalid request
)

// String returns the outcome in lower case.
func (o Outcome) String() string {
	switch o {
	case Answered:
		return "answered"
	case Failed:
		return "failed"
	case Abandoned:
		return "abandoned"
	default:
		return "unknown"
	}
}

// Done ends a request that Begin counted, and reports whether this call ejected the server. The server may have left the membership since.
// Done takes the lock only if the server has failed at least Eject.After times in a row.
//
//	         After failures in a row
//	serving ─────────────────────────▶ ejected for min(For · 2^n, Longest)
//	   ▲                                  │
//	   ╰─── the failure count is reset ───╯
//
// n is the number of earlier ejections. n is 0 again if the server has answered since its last ejection and that ejection ended at least
// Longest ago.
func (b *Balancer) Done(e *Endpoint, o Outcome, now time.Time) (ejected bool) {
	e.inFlight.Add(-1)
	switch o {
	case Answered: // load before store: an answer of a healthy server changes neither value, and an unnecessary write would slow down other processors
		if e.failures.Load() != 0 {
			e.failures.Store(0)
		}
		if !e.answered.Load() {
			e.answered.Store(true)
		}
	case Failed:
		after := int32(b.cfg.Eject.After)
		if failures := e.failures.Add(1); after > 0 && failures >= after {
			return b.eject(e, now)
		}
	}
	return false
}

// eject ejects e and returns true. It does nothing and returns false if e has left, was ejected or answered before eject got the lock, or
// if the limits of the configuration forbid the ejection.
func (b *Balancer) eject(e *Endpoint, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.view.Load()
	switch {
	case !e.isMember() || e.isEjected():
		return false
	case e.failures.Load() < int32(b.cfg.Eject.After): // the server answered before this call got the lock
		return false
	case v.stats.Ejected >= max(1, v.routable*b.cfg.Eject.Percent/100):
		return false
	case v.stats.Usable == 1 && (e.usability == here || e.usability == elsewhere), v.stats.Usable == 0 && v.candidates.count < 2:
		return false
	}
	p := e.recall()
	if e.answered.Load() && now.Sub(p.until) >= b.cfg.Eject.Longest {
		p.ejections = 0
	}
	p.ejected, p.until = true, now.Add(b.ejection(p.ejections))
	p.ejections++
	b.ejections.Add(1)
	if b.ejected == nil {
		b.ejected = make(map[*Endpoint]struct{})
	}
	b.ejected[e] = struct{}{}
	if b.earliest.IsZero() || p.until.Before(b.earliest) {
		b.earliest = p.until
	}
	b.place(e, now)
	b.commit(now)
	return true
}

// ejection returns the duration of an ejection that follows n earlier ejections.
func (b *Balancer) ejection(n int) time.Duration {
	d, longest := b.cfg.Eject.For, b.cfg.Eject.Longest
	for ; n > 0; n-- {
		if d > longest/2 { // compared before doubling, because 2*d can overflow
			return longest
		}
		d *= 2
	}
	return d
}

// endEjections ends the ejections whose time is over, and reports whether there were any.
func (b *Balancer) endEjections(now time.Time) bool {
	if b.earliest.IsZero() || now.Before(b.earliest) {
		return false
	}
	b.earliest = time.Time{}
	ended := false
	for e := range b.ejected {
		switch until := e.past.until; {
		case !now.Before(until):
			ended = true
			delete(b.ejected, e)
			e.past.ejected = false
			e.failures.Store(0)
			e.answered.Store(false)
			b.place(e, now)
		case b.earliest.IsZero() || until.Before(b.earliest):
			b.earliest = until
		}
	}
	return ended
}
