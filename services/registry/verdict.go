package registry

import (
	"fmt"
	"time"
)

// failuresToExpire is the number of failed probes in a row after which silence expires a server. With the default lease there are 3 s
// between suspicion and expiry, which is time for three probes. Each further probe makes it less likely that a healthy server expires.
const failuresToExpire = 3

const (
	// Without heartbeats, answers to probes renew a lease for aloneTime, aloneIntervals intervals or a TTL, whichever is
	// longest: see unheard.
	aloneTime      = 60 * time.Second
	aloneIntervals = 12
)

// ruling is the rule that decides about a server.
type ruling uint8

const (
	rulingAlive   ruling = iota // the lease of the server is young; the server becomes suspect later
	rulingSuspect               // the server becomes suspect now
	rulingExpire                // the server expires when its lease ends
	rulingGone                  // the server expires now, in every mode, because evidence shows that it is gone
	rulingBlind                 // the server is kept: no message arrives through any nsqd
	rulingWarming               // the server is kept: the registry is warming
	rulingIgnored               // the server is kept: heartbeats with its id arrive and are ignored; see contended
	rulingProbes                // the server is kept until enough probes have failed
	rulingControl               // the server is kept until another server answers a probe: see answersElsewhere
)

// verdict is the decision about a server at one moment. judge applies it and explain prints it.
type verdict struct {
	ruling    ruling
	age, left time.Duration // age of the lease; time until the lease ends, or until an alive server becomes suspect
	known     suspicion

	suspectAfter, expireAfter time.Duration // silence after which the server becomes suspect, and after which it can expire
	probing, holding          bool          // whether probes are enabled; whether the mode is holding
	unheard, alone            time.Duration // time since the last heartbeat; time for which answers to probes renew the lease; see unheard
}

// exhausted reports whether answers to probes do not renew the lease any more.
func (v verdict) exhausted() bool { return v.unheard >= v.alone }

// atMost returns the time for which answers to probes, or the lack of answers, can keep the server without a heartbeat.
func (v verdict) atMost() time.Duration {
	return max(v.alone-v.unheard, v.left).Round(time.Millisecond)
}

// The method end returns the step by which the server is removed now. It returns false if the server is not removed now.
func (v verdict) end() (step, bool) {
	if v.ruling == rulingGone {
		return v.known.why, true
	}
	return stepExpired, v.ruling == rulingExpire && v.left == 0
}

// The method verdict decides about the server r at a lease time. It changes nothing. When the lease of a suspect ends, silence expires
// the suspect if one of these is true:
//
//	three probes in a row have failed, and another server, if there is one, has answered a probe since the first failure
//	answers to probes do not renew the lease any more; in mode holding three probes must also have failed
//	probes are off
//
// Silence expires no server in the modes blind and warming, and no server with whose id another process publishes: see contended.
// The lease ends after a TTL. In mode holding without probes the lease ends after two TTL. Probes whose connection is accepted
// extend the lease.
func (s *state) verdict(r *record, lease leaseTime, mode Mode) verdict {
	v := verdict{
		known: r.suspicion(), age: lease.sub(r.stamp) - s.clock.grace, suspectAfter: r.suspectAfter(),
		probing: s.probes.enabled, holding: mode == ModeHolding,
	}
	v.unheard, v.alone = s.unheard(r, lease)
	v.expireAfter = r.ttl + time.Duration(v.known.extended)*r.interval()
	if v.holding && !v.probing {
		v.expireAfter = max(v.expireAfter, 2*r.ttl)
	}
	if !r.suspect {
		v.ruling, v.left = rulingAlive, max(0, v.suspectAfter-v.age)
		if v.left == 0 {
			v.ruling = rulingSuspect
		}
		return v
	}
	v.left = max(0, v.expireAfter-v.age)
	enough := v.known.failed >= failuresToExpire
	switch {
	case v.known.gone:
		v.ruling = rulingGone
	case mode == ModeBlind:
		v.ruling = rulingBlind
	case mode == ModeWarming:
		v.ruling = rulingWarming
	case s.contended(r):
		v.ruling = rulingIgnored
	case !v.probing,
		enough && s.answersElsewhere(v.known.failedAt),
		v.exhausted() && (enough || !v.holding):
		v.ruling = rulingExpire
	case enough:
		v.ruling = rulingControl
	default:
		v.ruling = rulingProbes
	}
	return v
}

// unheard returns the time since the last heartbeat of r, and the limit of this time up to which answers to probes renew the lease.
// There is a limit because a server that answers probes, but whose heartbeats do not arrive through working nsqd, has a fault. While
// the nsqd of the last heartbeat of r is silent or too late, the time does not count, because r may know no other nsqd.
func (s *state) unheard(r *record, lease leaseTime) (unheard, alone time.Duration) {
	since := r.beat
	if n := s.clock.nsqds[s.vias.addr(r.via)]; n != nil {
		since = max(since, min(n.until, r.stamp))
	}
	return lease.sub(since), s.clock.withUnreached(max(aloneTime, r.ttl, aloneIntervals*r.interval()))
}

// String says when the server becomes suspect or expires, and what would prevent it.
func (v verdict) String() string {
	because, unless, unlessGone, when := "", "unless a heartbeat arrives", "", "at the next tick"
	if v.holding && v.ruling >= rulingExpire {
		because, when = "too many servers are suspect at once; ", "as soon as the limit on expiries allows"
	}
	if v.left > 0 {
		when = fmt.Sprint("in ", v.left.Round(time.Millisecond))
	}
	switch {
	case !v.probing && v.ruling == rulingExpire:
		because += "probes are off; "
	case v.probing && v.exhausted():
		because += fmt.Sprintf("no heartbeat has arrived for more than %v, so answers to probes do not renew its lease; ", v.alone)
	case v.probing:
		unless += " or a probe confirms it"
	}
	if v.probing {
		unlessGone = ", unless a probe shows that it is gone"
	}
	switch v.ruling {
	case rulingAlive, rulingSuspect:
		return because + fmt.Sprintf("it is suspect after %v of silence and expires after %v", v.suspectAfter, v.expireAfter)
	case rulingGone:
		_, cause := v.known.why.event()
		return because + fmt.Sprintf("it is gone (%s) and expires as soon as the limit on expiries allows", cause)
	case rulingBlind:
		return because + "it is kept while no message arrives through any nsqd" + unlessGone
	case rulingWarming:
		return because + "it is kept while the registry is warming" + unlessGone
	case rulingIgnored:
		return because + "it is kept while heartbeats with its id arrive that are ignored, for at most three TTL" + unlessGone
	case rulingControl:
		return because + fmt.Sprintf("no other server answers probes either: it is kept until one does, for at most %v", v.atMost())
	case rulingProbes:
		condition := fmt.Sprintf("when %d probes in a row do not confirm it", failuresToExpire)
		if v.left > 0 {
			condition = fmt.Sprintf("%s if %d probes in a row do not confirm it", when, failuresToExpire)
		}
		if !v.holding {
			condition += fmt.Sprintf(", or in %v without a heartbeat", v.atMost())
		}
		return because + fmt.Sprintf("it expires %s; %s", condition, v.known.probes())
	}
	return because + fmt.Sprintf("it expires %s %s", when, unless)
}

// judge decides about a server that is due, and applies the decision.
func (s *state) judge(r *record, m moment) {
	v := s.verdict(r, s.clock.lease, s.mode)
	if v.ruling == rulingSuspect {
		s.suspect(r, stepSuspected, m)
		v = s.verdict(r, s.clock.lease, s.mode)
	}
	if why, ends := v.end(); ends && s.allow() {
		s.remove(r, why, m)
		return
	}
	switch {
	case r.suspect:
		s.probes.want(r, m.now)
		s.probeControl(r, m.now)
	case m.now-s.clock.grace-r.sent >= r.suspectAfter(): // the server is silent, and its lease is young only because the lease clock was slow
		s.probes.want(r, m.now)
	}
	s.schedule(r, m.now)
}
