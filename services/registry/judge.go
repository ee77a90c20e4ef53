package registry

import "time"

// failures are the questions in a row without an answer that expire a server by silence: there is time for three between
// suspicion and the end of the default lease, and each one more makes it less likely by as much as a probe gets lost that
// a healthy server which lost a heartbeat loses all of them.
const failures = 3

// judge decides on a server that is due for a look.
func (s *state) judge(r *record, at time.Time, now time.Duration) {
	age := s.clock.judged() - r.stamp
	if !r.suspect && age >= r.suspectAfter() {
		s.suspect(r, stepSuspected, at, now)
	}
	if !r.suspect {
		if now-s.clock.grace-r.sent >= r.suspectAfter() { // only the clock has held its lease back, so evidence is all there is
			s.ask(r, now)
		}
		s.schedule(r, now)
		return
	}
	if why, lapsed := s.lapsed(r, age); lapsed && s.allow() {
		s.end(r, why, at, now) // tick takes it out of the order
		return
	}
	s.ask(r, now)
	s.control(r, now)
	s.schedule(r, now)
}

// lapsed reports whether the lease of a suspect has ended, and by which step.
//
//	evidence against it     now, in every mode
//	blind, warming          not
//	its id still publishes  not; see contended
//	lease younger than TTL  not; the TTL is longer for a server that accepts connections but tells no id
//	with probes             after three without an answer, while another server has answered; or, not having been heard for
//	                        long (exhausted), in normal at once and in holding after three all the same
//	without                 normal at once, holding after another TTL
func (s *state) lapsed(r *record, age time.Duration) (step, bool) {
	d := r.doubted()
	if d.refuted {
		return d.why, true
	}
	if s.mode == ModeBlind || s.mode == ModeWarming || age < r.ttl+time.Duration(d.extended)*r.interval() {
		return stepExpired, false
	}
	if s.contended(r) {
		return stepExpired, false
	}
	holding := s.mode == ModeHolding
	if !s.cfg.Probing {
		return stepExpired, !holding || age >= 2*r.ttl
	}
	failed := d.failed >= failures
	return stepExpired, failed && s.reached(r) || s.exhausted(r) && (failed || !holding)
}
