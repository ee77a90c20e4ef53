package stages_test

import (
	"testing"
	"time"

	"rollcall/events"
	"rollcall/stages"
)

func TestAge(t *testing.T) {
	const ttl = 10 * time.Second // the TTL of the heartbeats that the function decoded returns
	for _, tt := range []struct {
		name string
		kind events.Kind
		age  time.Duration
		want events.Reason
	}{
		{"fresh", events.KindHeartbeat, 0, ""},
		{"one millisecond younger than the TTL", events.KindHeartbeat, ttl - time.Millisecond, ""},
		{"as old as the TTL", events.KindHeartbeat, ttl, events.ReasonStale},
		{"a day old", events.KindHeartbeat, 24 * time.Hour, events.ReasonStale},
		{"a leave passes at any age", events.KindLeave, 24 * time.Hour, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := decoded(func(h *events.Heartbeat) { h.Type = tt.kind })
			env.Receipt.Delay = tt.age
			r := &fakeRegistry{}
			checkReason(t, stages.Age{Registry: r}.Process(t.Context(), env), tt.want)
			if observed := len(r.observed) == 1; observed != (tt.want != "") {
				t.Errorf("the registry observed %d heartbeats", len(r.observed))
			}
		})
	}
}
