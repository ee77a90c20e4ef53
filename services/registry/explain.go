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
	Beats       []Beat        `json:"beats"`   // the last ones, oldest first
	Transitions []Change      `json:"transitions"`
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
	if r == nil {
		stone, ok := s.graves.find(k)
		if !ok {
			return nil, "never heard of"
		}
		typ, cause := stone.why.event()
		return nil, fmt.Sprintf("%s (%s) at %s", typ, cause, wall(stone.at).Format(time.RFC3339Nano))
	}
	e := &Explanation{Server: *r.view, Summary: r.summary(now)}
	r.vitals(now).apply(&e.Server)
	for i := r.heard - min(r.heard, keptBeats); i < r.heard; i++ {
		b := r.beats[i%keptBeats]
		seq := b.ordinal
		if r.incarnation == 0 {
			seq = 0
		}
		e.Beats = append(e.Beats, Beat{wall(b.at), seq, b.delay.Milliseconds(), b.via.Value()})
	}
	for _, c := range r.changes {
		typ, cause := c.step.event()
		e.Transitions = append(e.Transitions, Change{wall(c.at), typ, cause})
	}
	return e, ""
}

func (r *record) summary(now time.Duration) string {
	age := (now - r.stamp).Round(time.Millisecond)
	heard := fmt.Sprintf("the newest heartbeat was sent %v ago and came through %s", max(0, age), r.via.Value())
	switch r.view.State {
	case events.StateSuspect:
		return fmt.Sprintf("suspect: silent for 0.7 of its TTL of %v: %s; it expires in %v unless it is heard",
			r.ttl, heard, max(0, r.ttl-age))
	case events.StateDraining:
		return fmt.Sprintf("draining: its weight is 0, so it takes nothing new: %s", heard)
	}
	return fmt.Sprintf("alive: %s; it is suspect after %v of silence and expires after %v", heard, r.suspectAfter(), r.ttl)
}
