package stages_test

import (
	"errors"
	"testing"

	"rollcall/pipeline"
	"rollcall/stages"
)

func TestAwaitDropsTicksUntilSomethingIsHeard(t *testing.T) {
	hearing := false
	a := &stages.Await{Hearing: func() bool { return hearing }}
	if err := a.Process(t.Context(), &pipeline.Envelope{}); !errors.Is(err, pipeline.ErrDrop) {
		t.Errorf("before anything is heard: %v, want a drop", err)
	}
	hearing = true
	if err := a.Process(t.Context(), &pipeline.Envelope{}); err != nil {
		t.Errorf("heard: %v", err)
	}
	hearing = false
	if err := a.Process(t.Context(), &pipeline.Envelope{}); err != nil {
		t.Errorf("once heard, time goes on: %v", err)
	}
}
