package registry

import (
	"fmt"
	"slices"
	"time"
)

// suspicion is the evidence against a server. A heartbeat clears it unless the evidence is newer than the heartbeat.
type suspicion struct {
	evidenceAt time.Duration // when the newest failed probe or request began, or when a newer server at the address sent its first heartbeat
	gone       bool          // evidence proves that the server is gone
	why        step          // if the server is gone, the step that removes it
	failed     int           // number of probes in a row that did not confirm the server
	accepted   int           // number of failed probes whose connection was accepted, but that got no id
	failedAt   time.Duration // start of the first of the failed probes
	extended   int           // intervals by which accepted connections have extended the lease
}

// The method fail counts a probe that did not confirm the server.
func (s *suspicion) fail(began time.Duration) {
	if s.failed++; s.failed == 1 {
		s.failedAt, s.accepted = began, 0
	}
}

func (s *suspicion) clear() { s.gone, s.failed, s.extended = false, 0, 0 }

// probes says in words how many probes in a row did not confirm the server.
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

// inquiry is what the registry knows of a server beyond its heartbeats. Most servers have no inquiry.
type inquiry struct {
	suspicion
	probe    probeState
	findings []ProbeResult // at most keptFindings, the newest last

	round      uint64 // number that makes the id of the next event unique; see events.EventID
	firstRound uint64 // value that the field round gets again at each new ordinal; see record.rewind
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

// The method received notes a heartbeat that was published at the time sent. It clears older evidence, and counts the probes anew.
func (q *inquiry) received(sent time.Duration) {
	q.probe.sent = 0
	if sent > q.evidenceAt {
		q.clear()
	}
}

// The method clear removes all evidence, and cancels a queued probe.
func (q *inquiry) clear() {
	q.suspicion.clear()
	q.probe.wanted = false
}

// keptFindings is how many results of probes and failures of the proxy are kept for explain.
const keptFindings = 5

// addFinding keeps the newest evidence for explain.
func (q *inquiry) addFinding(e Evidence) {
	if len(q.findings) == keptFindings {
		q.findings = slices.Delete(q.findings, 0, 1)
	}
	q.findings = append(q.findings, ProbeResult{wall(e.Ended.UnixNano()), e.Finding, e.Source, max(0, e.Ended.Sub(e.Began)).Milliseconds()})
}
