package registry

import (
	"fmt"
	"time"

	"rollcall/events"
)

// Explanation says why a server is in its state.
type Explanation struct {
	Server      events.Server       `json:"server"`
	Summary     string              `json:"summary"`    // the explanation in words
	Mode        Mode                `json:"mode"`       // mode of the registry
	Heartbeats  []ReceivedHeartbeat `json:"heartbeats"` // the newest heartbeats, oldest first
	Probes      []ProbeResult       `json:"probes"`     // the newest results of probes and failures of the proxy, oldest first
	Transitions []Change            `json:"transitions"`
	Ignored     *Ignored            `json:"ignored,omitempty"` // recent heartbeats with this id that were ignored
}

// ReceivedHeartbeat is one heartbeat of a server.
type ReceivedHeartbeat struct {
	ReceivedAt time.Time `json:"received_at"`
	Seq        uint64    `json:"seq"`
	DelayMS    int64     `json:"delay_ms"` // how long the heartbeat waited in NSQ
	Via        string    `json:"via"`
}

// Change is one transition of a server.
type Change struct {
	Time   time.Time    `json:"time"`
	Type   events.Type  `json:"type"`
	Reason events.Cause `json:"reason"`
}

// explain returns the explanation of a registered server. If the server is not registered, explain returns nil and a description
// of its end.
func (s *state) explain(k key, now time.Duration) (*Explanation, string) {
	r := s.servers[k]
	ignored := s.ignored.of(k, now)
	if r == nil {
		return nil, s.absent(k, ignored)
	}
	e := &Explanation{
		Server: *r.view, Summary: s.summary(r, now), Mode: s.mode, Heartbeats: []ReceivedHeartbeat{}, Probes: []ProbeResult{}, Transitions: []Change{},
		Ignored: ignored,
	}
	if ignored != nil {
		e.Summary += "; a heartbeat with its id was ignored " + ignored.words()
	}
	s.vitals(r, s.clock.at(now)).Apply(&e.Server)
	for _, b := range r.newestBeats() {
		seq := b.ordinal
		if r.incarnation == 0 {
			seq = 0
		}
		e.Heartbeats = append(e.Heartbeats, ReceivedHeartbeat{wall(b.at), seq, int64(b.delay), s.vias.addr(b.via)})
	}
	if r.inquiry != nil {
		e.Probes = append(e.Probes, r.inquiry.findings...)
	}
	for _, c := range r.changes {
		typ, cause := c.step.event()
		e.Transitions = append(e.Transitions, Change{wall(c.at), typ, cause})
	}
	return e, ""
}

// absent describes how and when a server that is not registered was removed, and its newest ignored heartbeat.
func (s *state) absent(k key, ignored *Ignored) string {
	words := "never registered"
	if stone := s.tombstones.find(k); stone != nil {
		typ, cause := stone.why.event()
		words = fmt.Sprintf("%s (%s) at %s", typ, cause, wall(stone.at).Format(time.RFC3339Nano))
	}
	if ignored != nil {
		words += "; a heartbeat with its id was ignored " + ignored.words()
	}
	return words
}

// words identifies the newest ignored heartbeat and says why it was ignored.
func (i *Ignored) words() string {
	return fmt.Sprintf("(incarnation %d, seq %d, %s, at %s) because %s", i.Incarnation, i.Seq, i.Addr, i.Last.Format(time.TimeOnly), i.Detail)
}

// summary describes the state of a server, the silence since its newest heartbeat, and what happens to it next.
func (s *state) summary(r *record, now time.Duration) string {
	ms := func(d time.Duration) time.Duration { return max(0, d).Round(time.Millisecond) }
	v, silence := s.verdict(r, s.clock.at(now), s.mode), now-r.sent
	words := fmt.Sprintf("%s: ", r.view.State)
	if r.view.State == events.StateDraining {
		words = "draining: its weight is 0, so it gets no new requests: "
	}
	if r.kept == 0 {
		words += "no heartbeat has arrived since this API server started, which restored it from its snapshot"
	} else {
		words += fmt.Sprintf("the newest heartbeat was sent %v ago and came through %s", ms(silence), s.vias.addr(r.via))
	}
	switch {
	case r.stamp > r.beat:
		words += fmt.Sprintf("; it answered a probe with its id %v ago", ms(v.age))
	case silence-v.age >= time.Second:
		words += fmt.Sprintf("; only %v of that count against it, because this API server could receive nothing for the rest", ms(v.age))
	}
	return words + "; " + v.String()
}

// ProbeResult is evidence about a server, from a probe or the proxy.
type ProbeResult struct {
	Time    time.Time `json:"time"`
	Finding Finding   `json:"finding"`
	Source  Source    `json:"source"`
	TookMS  int64     `json:"took_ms"`
}
