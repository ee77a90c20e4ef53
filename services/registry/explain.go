package registry

import (
	"fmt"
	"time"

	"rollcall/events"
)

// Explanation tells why a server is in its state.
type Explanation struct {
	Server      events.Server `json:"server"`
	Summary     string        `json:"summary"` // the same in words
	Mode        Mode          `json:"mode"`    // of the registry
	Beats       []Beat        `json:"beats"`   // the last ones, oldest first
	Probes      []ProbeResult `json:"probes"`  // the last ones, oldest first
	Transitions []Change      `json:"transitions"`
	Ignored     *Ignored      `json:"ignored,omitempty"` // heartbeats of this id that were not taken lately
}

// Beat is one heartbeat as it arrived.
type Beat struct {
	ReceivedAt time.Time `json:"received_at"`
	Seq        uint64    `json:"seq"`
	DelayMS    int64     `json:"delay_ms"` // in NSQ
	Via        string    `json:"via"`
}

// Change is one transition of a server.
type Change struct {
	Time   time.Time    `json:"time"`
	Type   events.Type  `json:"type"`
	Reason events.Cause `json:"reason"`
}

// explain is nil where no such server is on the roll; the words then tell what is known of its end.
func (s *state) explain(k key, now time.Duration) (*Explanation, string) {
	r := s.servers[k]
	ignored := s.ignored.of(k, now)
	if r == nil {
		return nil, s.absent(k, ignored)
	}
	e := &Explanation{
		Server: *r.view, Summary: s.summary(r, now), Mode: s.mode, Beats: []Beat{}, Probes: []ProbeResult{}, Transitions: []Change{},
		Ignored: ignored,
	}
	if ignored != nil {
		e.Summary += "; it also publishes what is ignored " + ignored.words()
	}
	r.vitals(s.clock.at(now)).apply(&e.Server)
	for i := r.heard - min(r.heard, keptBeats); i < r.heard; i++ {
		b := r.beats[i%keptBeats]
		seq := b.ordinal
		if r.incarnation == 0 {
			seq = 0
		}
		e.Beats = append(e.Beats, Beat{wall(b.at), seq, b.delay.Milliseconds(), b.via.Value()})
	}
	if r.doubt != nil {
		e.Probes = append(e.Probes, r.doubt.results()...)
	}
	for _, c := range r.changes {
		typ, cause := c.step.event()
		e.Transitions = append(e.Transitions, Change{wall(c.at), typ, cause})
	}
	return e, ""
}

// absent says in words what is known of a server that is not on the roll.
func (s *state) absent(k key, ignored *Ignored) string {
	words := "never heard of"
	if stone := s.tombstones.find(k); stone != nil {
		typ, cause := stone.why.event()
		words = fmt.Sprintf("%s (%s) at %s", typ, cause, wall(stone.at).Format(time.RFC3339Nano))
	}
	if ignored != nil {
		words += "; it still publishes; ignored " + ignored.words()
	}
	return words
}

// words is a clause of a summary.
func (i *Ignored) words() string {
	return fmt.Sprintf("(incarnation %d, seq %d, %s, at %s) because %s", i.Incarnation, i.Seq, i.Addr, i.Last.Format(time.TimeOnly), i.Detail)
}

// summary says it in words.
func (s *state) summary(r *record, now time.Duration) string {
	ms := func(d time.Duration) time.Duration { return max(0, d).Round(time.Millisecond) }
	silence, age := now-r.sent, s.clock.at(now)-s.clock.grace-r.stamp
	words := fmt.Sprintf("%s: ", r.view.State)
	if r.view.State == events.StateDraining {
		words = "draining: its weight is 0, so it takes nothing new: "
	}
	if r.heard == 0 {
		words += "not heard since this API server started, which knows it from before"
	} else {
		words += fmt.Sprintf("the newest heartbeat was sent %v ago and came through %s", ms(silence), r.via.Value())
	}
	switch {
	case r.stamp > r.beat:
		words += fmt.Sprintf("; since then it was asked, and told its id %v ago", ms(age))
	case silence-age >= time.Second:
		words += fmt.Sprintf("; of that only %v counts against it, because this API server could not hear for the rest", ms(age))
	}
	if !r.suspect {
		return fmt.Sprintf("%s; it is suspect after %v of silence and expires after %v", words, r.suspectAfter(), r.ttl)
	}
	return words + "; " + s.outlook(r, age)
}

// outlook is what becomes of a suspect.
func (s *state) outlook(r *record, age time.Duration) string {
	d := r.doubted()
	end := r.ttl + time.Duration(d.extended)*r.interval()
	left := max(0, end-age).Round(time.Millisecond)
	asked := d.answers()
	if !s.cfg.Probing {
		asked = "probes are off"
	}
	switch {
	case d.refuted:
		_, cause := d.why.event()
		return fmt.Sprintf("it is gone (%s) and expires as soon as the limit on expiries allows", cause)
	case s.mode == ModeBlind:
		return "while nothing comes through any nsqd it is kept, unless it is found to be gone"
	case s.mode == ModeWarming:
		return "while warming nobody expires by silence, only if it is found to be gone"
	case d.failed >= failures && !s.reached(r):
		return "no other server answers either, so its silence says nothing: it is kept for a minute unless it is heard"
	case s.mode == ModeHolding:
		return fmt.Sprintf("too many are suspect at once, so it is kept until three probes fail: %s", asked)
	}
	return fmt.Sprintf("it expires in %v unless it is heard or answers: %s", left, asked)
}

// ProbeResult is one piece of evidence in an Explanation.
type ProbeResult struct {
	Time    time.Time `json:"time"`
	Finding Finding   `json:"finding"`
	Source  Source    `json:"source"`
	TookMS  int64     `json:"took_ms"`
}

func (d *doubt) results() []ProbeResult {
	var all []ProbeResult
	for i := d.answered - min(d.answered, keptProbes); i < d.answered; i++ {
		p := d.probes[i%keptProbes]
		all = append(all, ProbeResult{wall(p.at), p.finding, p.source, p.took.Milliseconds()})
	}
	return all
}
