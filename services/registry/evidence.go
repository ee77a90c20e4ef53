package registry

import "time"

// Probe is a request to probe a server and to pass the result to Registry.Report.
type Probe struct {
	Service, ID string
	Addr        string // IP:port
	Incarnation int64
	Contested   bool // a newer server of another service has the same id and address, so the id alone proves nothing
}

// Evidence is the result of a probe, or a failure that the proxy met. The registry ignores evidence unless the server still has
// the address and the incarnation that the evidence names.
type Evidence struct {
	Probe
	Finding Finding
	Source  Source
	Began   time.Time // start of the probe or request; a heartbeat published later refutes evidence against the server
	Ended   time.Time
}

// Source is the origin of evidence.
type Source string

const (
	SourceProbe Source = "probe" // a probe that the registry requested
	SourceProxy Source = "proxy" // a request that the proxy sent
)

// Finding is the result of contacting a server.
type Finding string

const (
	FindingIdentified Finding = "identified" // the server answered with its own identity
	FindingAccepted   Finding = "accepted"   // the server accepted a connection, but gave no identity or the identity of another incarnation
	FindingRefused    Finding = "refused"    // the address refused two connections, 250 ms apart
	FindingStranger   Finding = "stranger"   // a server with another id or service answered
	FindingSilent     Finding = "silent"     // the address did not accept the connection, or did not answer in time
	FindingFailing    Finding = "failing"    // requests to the server fail; only the proxy reports this
	FindingUnknown    Finding = "unknown"    // this process could not send a probe
)

// Findings returns every finding.
func Findings() []Finding {
	return []Finding{FindingIdentified, FindingAccepted, FindingRefused, FindingStranger, FindingSilent, FindingFailing, FindingUnknown}
}

const (
	extensions = 2 // maximum number of intervals by which accepted connections extend a lease
	shortened  = 1 // the same maximum for a server whose address a newer server has taken: enough to survive one lost heartbeat
)

// report applies evidence about a server.
func (s *state) report(e Evidence) {
	r := s.servers[key{e.Service, e.ID}]
	if r == nil || r.incarnation != e.Incarnation || r.view.Addr != e.Addr {
		return
	}
	m, began := s.moment(e.Ended), s.since(e.Began)
	q := r.openInquiry()
	q.addFinding(e)
	if e.Source == SourceProbe {
		s.probes.reported(r, e.Finding, began, s.cfg.Tick)
	}
	switch {
	case e.Finding == FindingIdentified && s.contested(r) && !e.Contested:
		// The prober accepted the id as proof, because r was not contested yet when the probe began. The next probe has Contested set.
	case e.Finding == FindingIdentified:
		s.confirm(r, began, m)
	case r.sent > began: // a newer heartbeat refutes the evidence
	case e.Finding == FindingUnknown:
		if unheard, alone := s.unheard(r, s.clock.lease); unheard >= alone { // probes renew the lease no more, so an unsent probe counts as failed
			q.fail(began)
		}
	default:
		q.evidenceAt = max(q.evidenceAt, began)
		s.weigh(r, e, m)
	}
}

// confirm applies the answer of a server to a probe with its id. It renews the lease, unless r has been without heartbeats for
// too long: see unheard.
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
		q.round++ // a heartbeat may have caused a recovered event with this ordinal; the new round gives this event another id
	}
	s.recover(r, stepConfirmed, m)
}

// weigh applies evidence against a server. Evidence of the proxy makes the server suspect, so that it is probed. Evidence of a
// probe can remove the server.
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

// refute applies evidence that r is gone. If r is suspect, r is removed as soon as the limit on expiries allows. Otherwise r
// becomes suspect and is probed again. A server that is not suspect is probed to check the network of this process, or because
// it was silent while the lease clock was slow.
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
