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
	extensions = 2 // intervals by which accepted connections extend the lease of a server that tells no id,
	shortened  = 1 // or of a server with a successor on its address; enough to survive one lost heartbeat
)

// report applies evidence about a server.
func (s *state) report(e Evidence) {
	r := s.servers[key{e.Service, e.ID}]
	if r == nil || r.incarnation != e.Incarnation || r.view.Addr != e.Addr {
		return
	}
	m, began := s.moment(e.Ended), s.since(e.Began)
	q := r.openInquiry()
	q.findings.add(e)
	if e.Source == SourceProbe {
		s.probes.reported(r, e.Finding, began, s.cfg.Tick)
	}
	switch {
	case e.Finding == FindingIdentified && s.contested(r) && !e.Contested:
		// The prober did not know that the id alone proves nothing. The next probe knows.
	case e.Finding == FindingIdentified:
		s.confirm(r, began, m)
	case r.sent > began: // a newer heartbeat refutes the evidence
	case e.Finding == FindingUnknown:
		if unheard, alone := s.unheard(r, s.clock.lease); unheard >= alone { // then a probe that could not be sent counts, too
			q.fail(began)
		}
	default:
		q.evidenceAt = max(q.evidenceAt, began)
		s.weigh(r, e, m)
	}
}

// confirm renews the lease of a server that told its id to a probe, unless it has lived on its answers for too long: see unheard.
func (s *state) confirm(r *record, began time.Duration, m moment) {
	q := r.inquiry
	q.failed, q.extended = 0, 0
	if unheard, alone := s.unheard(r, s.clock.lease); unheard >= alone {
		return
	}
	q.gone = q.gone && began <= q.evidenceAt
	r.stamp = max(r.stamp, min(s.clock.at(began), s.clock.lease))
	if !r.suspect {
		return
	}
	if !r.provisional {
		q.round++ // a heartbeat with this ordinal may have caused a recovered event already
	}
	s.recover(r, stepConfirmed, m)
}

// weigh applies evidence against a server. A failure that the proxy met makes the server suspect, and so probed. Probes may end it.
func (s *state) weigh(r *record, e Evidence, m moment) {
	q := r.inquiry
	switch {
	case e.Source == SourceProxy:
		s.suspect(r, stepUnreachable, m)
	case e.Finding == FindingRefused:
		s.refute(r, stepRefused, m)
	case e.Finding == FindingStranger && s.usurped(r, m.now):
		s.refute(r, stepStranger, m)
	case e.Finding != FindingSilent && q.extended < s.extensions(r):
		q.extended++
	default:
		q.fail(s.since(e.Began))
		if e.Finding == FindingAccepted {
			q.accepted++
		}
		if r.provisional {
			s.emitSuspected(r, m)
		}
	}
}

// refute takes evidence that r is gone. A server that is not suspect, which was probed as a control or in mode blind, becomes
// suspect and is probed again.
func (s *state) refute(r *record, why step, m moment) {
	known := r.suspect
	s.suspect(r, stepUnreachable, m)
	if !known {
		return
	}
	r.inquiry.gone, r.inquiry.why = true, why
	if s.allow() {
		s.remove(r, why, m)
	}
}
