package registry

import "time"

// Probe asks somebody with sockets to find out about one server and to Report it.
type Probe struct {
	Service, ID string
	Addr        string // IP:port
	Incarnation int64
	Contested   bool // a newer server with the same id claims the address, so the id alone proves nothing
}

// Evidence is what was found out about a server otherwise than by its heartbeats. It holds for the address and the
// incarnation that it names, and for no other.
type Evidence struct {
	Probe
	Finding Finding
	Source  Source
	Began   time.Time // a heartbeat sent later goes before it
	Ended   time.Time
}

// Source is who found out.
type Source string

const (
	SourceProbe Source = "probe" // asked for by the registry
	SourceProxy Source = "proxy" // met on the way of a request
)

// Finding is what came of calling a server.
type Finding string

const (
	// FindingIdentified: it answered, with its own identity.
	FindingIdentified Finding = "identified"
	// FindingAccepted: somebody listens there and tells no identity, or that of another incarnation of the server.
	FindingAccepted Finding = "accepted"
	// FindingRefused: nobody listens there, twice 250 ms apart.
	FindingRefused Finding = "refused"
	// FindingStranger: it answered with another id, or with that of a server of another service.
	FindingStranger Finding = "stranger"
	// FindingSilent: no answer in time, to the connection or the question.
	FindingSilent Finding = "silent"
	// FindingFailing: it fails the requests that it is sent, which is for the proxy to find.
	FindingFailing Finding = "failing"
	// FindingUnknown: this process could not ask, which says nothing of the server.
	FindingUnknown Finding = "unknown"
)

// Findings returns every finding.
func Findings() []Finding {
	return []Finding{FindingIdentified, FindingAccepted, FindingRefused, FindingStranger, FindingSilent, FindingFailing, FindingUnknown}
}

const (
	probesAlone = 60 * time.Second // for so long after it was heard last an answer renews a lease, or for its TTL,
	probesBeats = 12               // or for so many of its intervals
	extensions  = 2                // intervals that a server gains of which nobody can tell whether it answers,
	shortened   = 1                // or, of one that has a successor on its address: it outlives one lost heartbeat
)

// report applies what was found out about a server.
func (s *state) report(e Evidence) {
	r := s.servers[key{e.Service, e.ID}]
	if r == nil || r.incarnation != e.Incarnation || r.view.Addr != e.Addr {
		return
	}
	now, began := s.since(e.Ended), s.since(e.Began)
	d := r.doubted()
	d.remember(e)
	if e.Source == SourceProbe {
		d.asking = false
		d.askAt = began + r.pace() - s.cfg.Tick/2 // for the tick that comes then, not the one after it
		if e.Finding != FindingSilent && e.Finding != FindingUnknown {
			s.answered = max(s.answered, began)
		}
	}
	contested := s.contested(r)
	switch {
	case e.Finding == FindingIdentified && contested && !e.Contested:
		// The prober did not know that the id alone proves nothing. The next probe knows.
	case e.Finding == FindingIdentified:
		s.confirm(r, e.Ended, began, now)
	case r.sent > began: // it was well after that
	case e.Finding == FindingUnknown:
		if s.exhausted(r) { // by then it is no excuse that nobody could ask
			d.fail(began)
		}
	default:
		d.badAt = max(d.badAt, began)
		s.weigh(r, e, now)
	}
}

// confirm renews the lease of a server that was asked and told its id, within bounds: one that goes on answering and is
// not heard through nsqd that work has a fault that its users would find out.
func (s *state) confirm(r *record, at time.Time, began, now time.Duration) {
	d := r.doubt
	d.failed, d.extended = 0, 0
	if s.exhausted(r) {
		return
	}
	d.refuted = d.refuted && began <= d.badAt
	r.stamp = max(r.stamp, min(s.clock.at(began), s.clock.lease))
	if !r.suspect {
		return
	}
	if !r.provisional {
		d.round++ // before it is told: a heartbeat with this ordinal may have told of a recovery already
	}
	s.trust(r, stepConfirmed, at, now)
}

// exhausted reports whether r has lived on its answers for as long as it may. That begins anew when the nsqd is heard again
// that it was heard through last, which may be the only one that it knows, as long as it answers until then.
func (s *state) exhausted(r *record) bool {
	since := r.beat
	if way := s.clock.nsqds[r.via.Value()]; way != nil {
		since = max(since, min(way.until, r.stamp))
	}
	alone := max(probesAlone, r.ttl, probesBeats*r.interval())
	return s.clock.lease-since >= s.clock.withUnreached(alone)
}

// weigh applies what speaks against a server. What the proxy met makes it a suspect, that is asked; what came of asking may
// end it.
func (s *state) weigh(r *record, e Evidence, now time.Duration) {
	switch {
	case e.Source == SourceProxy:
		s.suspect(r, stepUnreachable, e.Ended, now)
	case e.Finding == FindingRefused:
		s.refute(r, stepRefused, e.Ended, now)
	case e.Finding == FindingStranger && s.usurped(r, now):
		s.refute(r, stepStranger, e.Ended, now)
	case e.Finding != FindingSilent && r.doubt.extended < s.extensions(r):
		r.doubt.extended++
	default:
		r.doubt.fail(s.since(e.Began))
		if e.Finding == FindingAccepted {
			r.doubt.accepted++
		}
		if r.provisional {
			s.emitSuspected(r, e.Ended, now)
		}
	}
}

// refute takes evidence that r is gone. One that was no suspect, but asked as a control or while nothing is heard, becomes
// one, and is asked again.
func (s *state) refute(r *record, why step, at time.Time, now time.Duration) {
	if !r.suspect {
		s.suspect(r, stepUnreachable, at, now)
		return
	}
	s.suspect(r, stepUnreachable, at, now) // if it is a restored one, of which nobody was told
	r.doubt.refuted, r.doubt.why = true, why
	if s.allow() {
		s.end(r, why, at, now)
		s.strike(r)
	}
}
