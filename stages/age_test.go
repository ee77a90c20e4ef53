package stages_test

import (
	"testing"
	"time"

	"rollcall/events"
	"rollcall/stages"
)

func TestAge(t *testing.T) {
	const ttl = 10 * time.Second // of decoded
	for _, tt := range []struct {
		name string
		kind events.Kind
		age  time.Duration
		want events.Reason
	}{
		{"fresh", events.KindHeartbeat, 0, ""},
		{"one millisecond short of the TTL", events.KindHeartbeat, ttl - time.Millisecond, ""},
		{"the TTL", events.KindHeartbeat, ttl, events.ReasonStale},
		{"a day", events.KindHeartbeat, 24 * time.Hour, events.ReasonStale},
		{"a leave is never too old", events.KindLeave, 24 * time.Hour, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := decoded(func(h *events.Heartbeat) { h.Type = tt.kind })
			env.Receipt.Delay = tt.age
			r := &roll{}
			checkReason(t, stages.Age{Registry: r}.Process(t.Context(), env), tt.want)
			if told := len(r.observed) == 1; told != (tt.want != "") {
				t.Errorf("the registry was told of %d", len(r.observed))
			}
		})
	}
}
