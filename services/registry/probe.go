package registry

import (
	"fmt"
	"time"
)

const (
	probeEvery = time.Second      // a suspect is asked so often,
	probeTries = 10               // so many times, and then once an interval until it is heard
	probeLost  = 10 * time.Second // a question without an answer is asked again
	keptProbes = 5
)

// doubt is what is known of a server beyond its heartbeats. Most servers have none.
type doubt struct {
	badAt      time.Duration // when somebody last began to call it in vain
	refuted    bool          // there is evidence that it is gone, told by why
	why        step
	failed     int           // questions in a row that did not show that it is well,
	accepted   int           // of them those where somebody listened and told no id,
	silentAt   time.Duration // since then
	extended   int           // intervals gained
	round      uint64        // see events.EventID
	firstRound uint64        // after each new ordinal; see rewind

	asked  int           // questions since the last heartbeat
	askAt  time.Duration // not before
	asking bool          // somebody has the question
	wanted bool          // it is to be asked,
	listed bool          // and stands in state.questions

	probes   [keptProbes]probed // a ring
	answered uint64
}

// probed is one piece of evidence, as small as it can be.
type probed struct {
	at      int64 // when it was found out, Unix nanoseconds
	took    time.Duration
	finding Finding
	source  Source
}

// doubted is r's doubt, made where there is none.
func (r *record) doubted() *doubt {
	if r.doubt == nil {
		r.doubt = &doubt{badAt: never}
	}
	return r.doubt
}

// heard ends every doubt that is older than a heartbeat sent then.
func (d *doubt) heard(sent time.Duration) {
	d.asked = 0
	if sent > d.badAt {
		d.dispel()
	}
}

// fail counts a question without an answer.
func (d *doubt) fail(began time.Duration) {
	if d.failed++; d.failed == 1 {
		d.silentAt, d.accepted = began, 0
	}
}

func (d *doubt) dispel() { d.refuted, d.failed, d.extended, d.wanted = false, 0, 0, false }

// answers says in words what came of the last questions in a row.
func (d *doubt) answers() string {
	accepted := 0
	if d.failed > 0 {
		accepted = d.accepted
	}
	switch {
	case accepted == 0:
		return fmt.Sprintf("%d probes in a row failed", d.failed)
	case accepted == d.failed:
		return fmt.Sprintf("%d probes in a row were accepted and told no id", accepted)
	}
	return fmt.Sprintf("of %d probes in a row %d were accepted and told no id, and %d failed", d.failed, accepted, d.failed-accepted)
}

func (d *doubt) remember(e Evidence) {
	d.probes[d.answered%keptProbes] = probed{e.Ended.UnixNano(), max(0, e.Ended.Sub(e.Began)), e.Finding, e.Source}
	d.answered++
}

// identified is when the server told its id last, as far as it is remembered.
func (d *doubt) identified() time.Time {
	for i := d.answered; i > d.answered-min(d.answered, keptProbes); i-- {
		if p := d.probes[(i-1)%keptProbes]; p.finding == FindingIdentified {
			return wall(p.at)
		}
	}
	return time.Time{}
}

// pace is the time between two questions about r.
func (r *record) pace() time.Duration {
	if !r.suspect || r.doubt.asked >= probeTries {
		return max(probeEvery, r.interval())
	}
	return probeEvery
}

// ask queues a question about r, if probes are wanted and it is time for one.
func (s *state) ask(r *record, now time.Duration) {
	d := r.doubted()
	if !s.cfg.Probing || now < d.askAt {
		return
	}
	d.wanted = true
	if !d.listed {
		d.listed = true
		s.questions = append(s.questions, r)
	}
}

// reached reports whether the silence of r says something of r: whether a server has answered since it began, or there is
// no other to ask.
func (s *state) reached(r *record) bool { return s.answered >= r.doubt.silentAt || len(s.order) == 1 }

// control asks another server when r is silent and nobody has answered since, so that its silence can be told from ours:
// the one that was heard last of those that are not suspect and may be asked by now. At most one is asked in a second.
func (s *state) control(r *record, now time.Duration) {
	if r.doubt.failed == 0 || s.reached(r) || now < s.controlAt {
		return
	}
	s.controlAt = now + probeEvery
	var latest *record
	for _, other := range s.order {
		due := other.doubt == nil || other.doubt.askAt <= now
		if !other.suspect && due && (latest == nil || other.sent > latest.sent) {
			latest = other
		}
	}
	if latest != nil {
		s.ask(latest, now)
	}
}

// question is the next one to ask, if any. Those that have become pointless are left out.
func (s *state) question() (Probe, bool) {
	for len(s.questions) > 0 {
		if r := s.questions[0]; r.doubt.wanted && !r.gone() {
			return Probe{r.view.Service, r.view.ID, r.view.Addr, r.incarnation, s.contested(r)}, true
		}
		s.popQuestion()
	}
	s.questions = nil // lets go of what a burst needed
	return Probe{}, false
}

// asked notes that somebody has taken the question.
func (s *state) asked() {
	d := s.questions[0].doubt
	d.wanted, d.asking = false, true
	d.asked++
	d.askAt = s.clock.last + probeLost
	s.popQuestion()
}

func (s *state) popQuestion() {
	s.questions[0].doubt.listed = false
	s.questions[0] = nil
	s.questions = s.questions[1:]
}
