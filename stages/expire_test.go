package stages_test

import (
	"slices"
	"testing"

	"rollcall/pipeline"
	"rollcall/services/registry"
	"rollcall/stages"
)

func TestExpirePassesTimeAndAddresses(t *testing.T) {
	r := &fakeRegistry{}
	env := received("")
	expire := stages.Expire{Registry: r, NSQD: func() []string { return []string{"127.0.0.1:4150"} }}
	if err := expire.Process(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if len(r.ticks) != 1 || !r.ticks[0].Equal(now) || !slices.Equal(r.nsqd, []string{"127.0.0.1:4150"}) {
		t.Errorf("ticks %v with nsqd %v, want %v", r.ticks, r.nsqd, now)
	}
	r.err = registry.ErrStopped
	if err := expire.Process(t.Context(), env); pipeline.OutcomeOf(err) != pipeline.OutcomeRetried {
		t.Errorf("got %v, want an error that means retried", err)
	}
}
