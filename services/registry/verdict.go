package registry

import (
	"fmt"
	"strings"
	"time"
)

// failuresToExpire is the number of probes in a row without confirmation after which silence expires a server. The default
// lease leaves time for three between suspicion and its end. The chance that a healthy server loses a heartbeat and then
// every probe falls with each of them by the rate at which probes are lost.
const failuresToExpire = 3

const (
	aliveAlone      = 60 * time.Second // answers to probes renew a lease for this time after the last heartbeat, or for the TTL,
	aliveAloneBeats = 12               // or for this number of intervals, whichever is longest
)

// ruling is what decides the future of a server.
type ruling uint8

const (
	rulingAlive   ruling = iota // it becomes suspect when its lease is old enough
	rulingSuspect               // it becomes suspect now
	rulingExpire                // it expires when its lease ends
	rulingGone                  // evidence ends it now, in every mode
	rulingBlind                 // it is kept: no message arrives through any nsqd
	rulingWarming               // it is kept: the registry is warming
	rulingIgnored               // it is kept: heartbeats with its id arrive and are ignored; see contended
	rulingProbes                // it is kept until enough probes have failed
	rulingControl               // it is kept until another server answers a probe, so that this process is not the cause
)

// verdict is the judgement on a server at one moment. judge applies it and explain prints it.
type verdict struct {
	ruling    ruling
	age, left time.Duration // of the lease; until it ends, or until the server is suspect
	known     suspicion

	suspectAfter, ttl time.Duration
	probing, holding  bool          // probes are on; too many servers are suspect at once
	unheard, alone    time.Duration // since the last heartbeat; how long answers to probes renew the lease after it
}

// exhausted reports whether answers to probes do not renew the lease any more.
func (v verdict) exhausted() bool { return v.unheard >= v.alone }

// end returns the step by which the server ends now, if it does.
func (v verdict) end() (step, bool) {
	if v.ruling == rulingGone {
		return v.known.why, true
	}
	return stepExpired, v.ruling == rulingExpire && v.left == 0
}

// verdict judges r at a time of the lease clock and changes nothing. Silence expires a suspect when its lease is as old as
// its TTL, or older where accepted connections have extended it, and
//
//	with probes     three in a row have failed, and another server has answered meanwhile or answers cannot renew the lease;
//	                in mode normal it is enough that answers cannot renew it
//	without probes  in mode normal at once; in mode holding after another TTL
func (s *state) verdict(r *record, lease leaseTime, mode Mode) verdict {
	v := verdict{
		known: r.suspicion(), age: lease.sub(r.stamp) - s.clock.grace, suspectAfter: r.suspectAfter(), ttl: r.ttl,
		probing: s.probes.enabled, holding: mode == ModeHolding,
	}
	v.unheard, v.alone = s.unheard(r, lease)
	if !r.suspect {
		v.ruling, v.left = rulingAlive, max(0, v.suspectAfter-v.age)
		if v.left == 0 {
			v.ruling = rulingSuspect
		}
		return v
	}
	end := r.ttl + time.Duration(v.known.extended)*r.interval()
	if v.holding && !v.probing {
		end = max(end, 2*r.ttl)
	}
	v.left = max(0, end-v.age)
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

// unheard returns the time since the last heartbeat of r, and for how long after it answers to probes renew the lease: a server
// that answers and is not heard through nsqd that work has a fault that its users would find out. The time begins anew while
// the nsqd that its last heartbeat came through is silent, which may be the only one that it knows.
func (s *state) unheard(r *record, lease leaseTime) (unheard, alone time.Duration) {
	since := r.beat
	if way := s.clock.nsqds[r.via.Value()]; way != nil {
		since = max(since, min(way.until, r.stamp))
	}
	return lease.sub(since), s.clock.withUnreached(max(aliveAlone, r.ttl, aliveAloneBeats*r.interval()))
}

// String describes the future of the server.
func (v verdict) String() string {
	var because []string
	if v.holding && v.ruling >= rulingExpire {
		because = append(because, "too many servers are suspect at once")
	}
	unless := "unless a heartbeat arrives or a probe confirms it"
	switch {
	case !v.probing:
		unless = "unless a heartbeat arrives"
		if v.ruling == rulingExpire {
			because = append(because, "probes are off")
		}
	case v.exhausted():
		unless = "unless a heartbeat arrives"
		because = append(because, fmt.Sprintf("no heartbeat has arrived for more than %v, so answers to probes do not renew its lease", v.alone))
	}
	words := v.future(unless)
	if len(because) > 0 {
		return strings.Join(because, " and ") + ": " + words
	}
	return words
}

func (v verdict) future(unless string) string {
	now, left := v.left == 0, v.left.Round(time.Millisecond)
	soon := "at the next tick"
	if v.holding || v.ruling == rulingGone {
		soon = "as soon as the limit on expiries allows"
	}
	unlessGone := ""
	if v.probing {
		unlessGone = ", unless a probe shows that it is gone"
	}
	switch v.ruling {
	case rulingAlive, rulingSuspect:
		return fmt.Sprintf("it is suspect after %v of silence and expires after %v", v.suspectAfter, v.ttl)
	case rulingGone:
		_, cause := v.known.why.event()
		return fmt.Sprintf("it is gone (%s) and expires %s", cause, soon)
	case rulingBlind:
		return "it is kept while no message arrives through any nsqd" + unlessGone
	case rulingWarming:
		return "it is kept while the registry is warming" + unlessGone
	case rulingIgnored:
		return "it is kept while heartbeats with its id arrive that are ignored, for at most three TTL" + unlessGone
	case rulingControl:
		return fmt.Sprintf("no other server answers probes either: it is kept until one does, for at most %v", (v.alone - v.unheard).Round(time.Millisecond))
	case rulingProbes:
		if now {
			return fmt.Sprintf("it expires when %d probes in a row do not confirm it; %s", failuresToExpire, v.known.probes())
		}
		return fmt.Sprintf("it expires in %v if %d probes in a row do not confirm it; %s", left, failuresToExpire, v.known.probes())
	}
	if now {
		return fmt.Sprintf("it expires %s %s", soon, unless)
	}
	return fmt.Sprintf("it expires in %v %s", left, unless)
}

// judge applies the verdict on a server that is due.
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
	case m.now-s.clock.grace-r.sent >= r.suspectAfter(): // the lease is young only because the lease clock has been slow
		s.probes.want(r, m.now)
	}
	s.schedule(r, m.now)
}
