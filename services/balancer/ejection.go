package balancer

import "time"

// Outcome is what became of a request.
type Outcome uint8

const (
	Answered  Outcome = iota // the server did its part
	Failed                   // the server did not: no connection, reset, timeout, 502 to 504
	Abandoned                // it says nothing of the server: the client went, or sent garbage
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

// Done ends what Begin began. It reports whether this call ejected the server, which is then not chosen
// for a while; the caller tells whom it concerns. Only a call for a server that has failed
// Ejection.After times in a row takes the lock. The server may have left.
//
//	           After failures in a row
//	serving ───────────────────────────▶ ejected for min(For · 2^n, Longest)
//	   ▲                                    │
//	   ╰─ the failures count from 0 again ──╯   n counts the ejections; it is 0 again after
//	                                            an answer, and Longest without an ejection
func (b *Balancer) Done(e *Endpoint, o Outcome, now time.Time) (ejected bool) {
	e.inFlight.Add(-1)
	switch o {
	case Answered: // loads first: who serves well writes to nothing that others read
		if e.failures.Load() != 0 {
			e.failures.Store(0)
		}
		if !e.answered.Load() {
			e.answered.Store(true)
		}
	case Failed:
		after := int64(b.cfg.Ejection.After)
		if failures := e.failures.Add(1); after > 0 && failures >= after {
			return b.eject(e, now)
		}
	}
	return false
}

// eject bars e for a while if it may.
func (b *Balancer) eject(e *Endpoint, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.view.Load()
	switch {
	case !e.member() || e.ejected || b.endpoints[e.id] != e:
		return false
	case e.failures.Load() < int64(b.cfg.Ejection.After): // it answered meanwhile
		return false
	case v.stats.Ejected >= max(1, v.routable*b.cfg.Ejection.Percent/100):
		return false
	case v.stats.Usable == 1 && b.standing(e) == usable, v.stats.Usable == 0 && len(v.candidates) < 2:
		return false
	}
	if e.answered.Load() && now.Sub(e.until) >= b.cfg.Ejection.Longest {
		e.ejections = 0
	}
	e.ejected, e.until = true, now.Add(b.ejection(e.ejections))
	e.ejections++
	b.ejected.Add(1)
	b.rebuild(now)
	return true
}

// ejection is how long the next one lasts after n that count.
func (b *Balancer) ejection(n int) time.Duration {
	d, longest := b.cfg.Ejection.For, b.cfg.Ejection.Longest
	for ; n > 0; n-- {
		if d > longest/2 { // twice that may be more than a Duration holds
			return longest
		}
		d *= 2
	}
	return d
}

// release ends e's ejection if it is over, or notes when that will be.
func (b *Balancer) release(e *Endpoint, now time.Time) {
	switch {
	case !e.ejected:
	case now.Before(e.until):
		if b.earliest.IsZero() || e.until.Before(b.earliest) {
			b.earliest = e.until
		}
	default:
		e.ejected = false
		e.failures.Store(0)
		e.answered.Store(false)
	}
}
