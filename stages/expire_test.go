package stages_test

import (
	"testing"

	"rollcall/pipeline"
	"rollcall/services/registry"
	"rollcall/stages"
)

func TestExpireTellsTheTime(t *testing.T) {
	r := &roll{}
	env := received("")
	if err := (stages.Expire{Registry: r}).Process(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if len(r.ticks) != 1 || !r.ticks[0].Equal(now) {
		t.Errorf("ticks %v, want %v", r.ticks, now)
	}
	r.err = registry.ErrStopped
	if err := (stages.Expire{Registry: r}).Process(t.Context(), env); pipeline.OutcomeOf(err) != pipeline.OutcomeRetried {
		t.Errorf("got %v, want it retried", err)
	}
}
