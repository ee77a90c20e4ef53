package stages_test

import (
	"slices"
	"testing"

	"rollcall/pipeline"
	"rollcall/stages"
)

// The stage Remember must follow Register, so that a heartbeat that Register did not accept is no duplicate when it arrives
// again.
func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		chain pipeline.Chain
		want  []string
	}{
		{"heartbeats", heartbeats(&fakeRegistry{}), []string{"decode", "canary", "validate", "age", "dedupe", "register", "remember"}},
		{"ticks", stages.Ticks(&fakeRegistry{}, nil), []string{"expire"}},
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

func TestDefaultLease(t *testing.T) {
	r := &fakeRegistry{}
	mustPass(t, heartbeats(r), received("10.0.0.7:8080"))
	if h := r.observed[0]; h.IntervalMS != 5000 || h.TTLMS != 10_000 {
		t.Errorf("interval %d ms and TTL %d ms, want 5000 and 10000", h.IntervalMS, h.TTLMS)
	}
}
