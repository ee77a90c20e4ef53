package registry

import "time"

const (
	probeEvery = time.Second      // time between two probes of a suspect
	probeTries = 10               // number of probes at the pace of probeEvery; then one probe per interval of the server until a heartbeat arrives
	probeLost  = 10 * time.Second // if a probe is not reported for this time, it is sent again
)

// probeState says when one server is probed.
type probeState struct {
	sent      int           // number of probes since the last heartbeat
	notBefore time.Duration // earliest time of the next probe
	pending   bool          // a prober has received a probe and has not reported its result yet
	wanted    bool          // the server is to be probed
	queued    bool          // the server is in probeScheduler.queue
}

// probeScheduler decides which servers are probed, and when.
type probeScheduler struct {
	enabled   bool
	queue     []*record     // servers to probe, the longest waiting first, each at most once
	answered  time.Duration // start of the newest probe that any server answered
	controlAt time.Duration // earliest time of the next control probe
}

// The method want queues a probe of r, if probes are enabled and the earliest time of the next probe has come.
func (p *probeScheduler) want(r *record, now time.Duration) {
	if !p.enabled || now < r.openInquiry().probe.notBefore {
		return
	}
	q := &r.inquiry.probe
	q.wanted = true
	if !q.queued {
		q.queued = true
		p.queue = append(p.queue, r)
	}
}

// The method next returns the next server to probe. It returns nil if there is none. It drops servers that need no probe any more.
func (p *probeScheduler) next() *record {
	for len(p.queue) > 0 {
		if r := p.queue[0]; r.inquiry.probe.wanted && !r.gone() {
			return r
		}
		p.pop()
	}
	p.queue = nil // frees the memory that a burst of probes has taken
	return nil
}

// The method taken notes that a prober has received the probe of the first server in the queue.
func (p *probeScheduler) taken(now time.Duration) {
	q := &p.queue[0].inquiry.probe
	q.wanted, q.pending = false, true
	q.sent++
	q.notBefore = now + probeLost
	p.pop()
}

func (p *probeScheduler) pop() {
	p.queue[0].inquiry.probe.queued = false
	p.queue[0] = nil
	p.queue = p.queue[1:]
}

// The method reported notes the result of a probe of r. The parameter began is when the probe started.
func (p *probeScheduler) reported(r *record, f Finding, began, tick time.Duration) {
	q := &r.inquiry.probe
	q.pending = false
	q.notBefore = began + r.probeInterval() - tick/2 // so that the tick nearest to began + probeInterval sends the next probe
	if f != FindingSilent && f != FindingUnknown {
		p.answered = max(p.answered, began)
	}
}

// probeInterval returns the time between two probes of r.
func (r *record) probeInterval() time.Duration {
	if !r.suspect || r.inquiry.probe.sent >= probeTries {
		return max(probeEvery, r.interval())
	}
	return probeEvery
}

// answersElsewhere reports whether any server has answered a probe since the time failedAt, or whether there is only one server.
// If it returns false, the network of this process may be the cause of failed probes.
func (s *state) answersElsewhere(failedAt time.Duration) bool {
	return s.probes.answered >= failedAt || len(s.servers) == 1
}

// probeControl probes another server if probes of r fail and no server has answered since: see answersElsewhere. Of the servers
// that are not suspect and may be probed now, it chooses the server with the newest heartbeat. It probes at most once a second.
func (s *state) probeControl(r *record, now time.Duration) {
	if known := r.suspicion(); known.failed == 0 || s.answersElsewhere(known.failedAt) || now < s.probes.controlAt {
		return
	}
	s.probes.controlAt = now + probeEvery
	var latest *record
	for other := range s.records() {
		due := other.inquiry == nil || other.inquiry.probe.notBefore <= now
		if !other.suspect && due && (latest == nil || other.sent > latest.sent) {
			latest = other
		}
	}
	if latest != nil {
		s.probes.want(latest, now)
	}
}

// nextProbe returns the next probe to send, if there is one.
func (s *state) nextProbe() (Probe, bool) {
	r := s.probes.next()
	if r == nil {
		return Probe{}, false
	}
	return Probe{r.view.Service, r.view.ID, r.view.Addr, r.incarnation, s.contested(r)}, true
}
