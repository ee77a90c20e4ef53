package stages_test

import (
	"slices"
	"testing"

	"rollcall/pipeline"
	"rollcall/stages"
)

// The order is the design: a heartbeat is remembered only when the registry has it.
func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		chain pipeline.Chain
		want  []string
	}{
		{"of a heartbeat", stages.Heartbeats(defaults, &roll{}), []string{"decode", "canary", "validate", "age", "dedupe", "register", "remember"}},
		{"of a tick", stages.Ticks(nil, &roll{}), []string{"expire"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, s := range tt.chain {
				got = append(got, s.Name)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTheZeroConfigHasALease(t *testing.T) {
	r := &roll{}
	mustPass(t, stages.Heartbeats(stages.Config{}, r), received("10.0.0.7:8080"))
	if h := r.observed[0]; h.IntervalMS != 5000 || h.TTLMS != 10_000 {
		t.Errorf("interval %d ms and TTL %d ms, want 5000 and 10000", h.IntervalMS, h.TTLMS)
	}
}
