package registry

import (
	"fmt"
	"slices"
	"time"
)

// suspicion is what is known against a server. A heartbeat clears it unless the evidence is newer.
type suspicion struct {
	evidenceAt time.Duration // start of the newest probe or request that failed
	gone       bool          // evidence proves that the server is gone; why is the step of its end
	why        step
	failed     int           // probes in a row that did not confirm the server
	accepted   int           // failed probes that were accepted by a listener without an id
	failedAt   time.Duration // start of the first failed probe
	extended   int           // intervals by which accepted connections have extended the lease
}

// fail counts a probe that did not confirm the server.
func (s *suspicion) fail(began time.Duration) {
	if s.failed++; s.failed == 1 {
		s.failedAt, s.accepted = began, 0
	}
}

func (s *suspicion) clear() { s.gone, s.failed, s.extended = false, 0, 0 }

// probes counts the probes in a row that did not confirm the server, in words.
func (s *suspicion) probes() string {
	accepted := min(s.accepted, s.failed)
	switch {
	case s.failed == 0:
		return "none so far"
	case accepted == 0:
		return fmt.Sprintf("so far %d failed", s.failed)
	case accepted == s.failed:
		return fmt.Sprintf("so far %d accepted without an id", accepted)
	}
	return fmt.Sprintf("so far %d failed, %d accepted without an id", s.failed-accepted, accepted)
}

// inquiry is what the registry knows of a server beyond its heartbeats. Most servers have none.
type inquiry struct {
	suspicion
	probe    probeState
	findings []ProbeResult // at most keptFindings, the newest last

	round      uint64 // of the next event; see events.EventID
	firstRound uint64 // the round after each new ordinal; see rewind
}

// openInquiry returns the inquiry of r and makes it if there is none.
func (r *record) openInquiry() *inquiry {
	if r.inquiry == nil {
		r.inquiry = &inquiry{suspicion: suspicion{evidenceAt: never}}
	}
	return r.inquiry
}

// suspicion returns a copy of what is known against r.
func (r *record) suspicion() suspicion {
	if r.inquiry == nil {
		return suspicion{evidenceAt: never}
	}
	return r.inquiry.suspicion
}

// received clears evidence that is older than a heartbeat published at sent.
func (q *inquiry) received(sent time.Duration) {
	q.probe.sent = 0
	if sent > q.evidenceAt {
		q.clear()
	}
}

// clear removes all evidence, and cancels a probe that waits.
func (q *inquiry) clear() {
	q.suspicion.clear()
	q.probe.wanted = false
}

// keptFindings is how much evidence explain shows.
const keptFindings = 5

// addFinding keeps the newest evidence for explain.
func (q *inquiry) addFinding(e Evidence) {
	if len(q.findings) == keptFindings {
		q.findings = slices.Delete(q.findings, 0, 1)
	}
	q.findings = append(q.findings, ProbeResult{wall(e.Ended.UnixNano()), e.Finding, e.Source, max(0, e.Ended.Sub(e.Began)).Milliseconds()})
}
