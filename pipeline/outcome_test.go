package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"rollcall/events"
	"rollcall/pipeline"
)

func TestOutcomeOf(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("stage x: %w", err) }
	for _, tt := range []struct {
		name string
		err  error
		want pipeline.Outcome
		text string
	}{
		{"no error", nil, pipeline.OutcomePassed, "passed"},
		{"drop", pipeline.Drop(events.ReasonStale), pipeline.OutcomeDropped, "dropped"},
		{"wrapped drop", wrapped(pipeline.Drop(events.ReasonStale)), pipeline.OutcomeDropped, "dropped"},
		{"wrapped ErrDrop", wrapped(pipeline.ErrDrop), pipeline.OutcomeDropped, "dropped"},
		{"invalid", events.Invalid(events.ReasonAddress, "x"), pipeline.OutcomeRejected, "rejected"},
		{"wrapped invalid", wrapped(events.Invalid(events.ReasonAddress, "x")), pipeline.OutcomeRejected, "rejected"},
		{"wrapped ErrInvalid", wrapped(events.ErrInvalid), pipeline.OutcomeRejected, "rejected"},
		{"any other error", errors.New("busy"), pipeline.OutcomeRetried, "retried"},
		{"end of a context", wrapped(context.Canceled), pipeline.OutcomeRetried, "retried"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := pipeline.OutcomeOf(tt.err); got != tt.want || got.String() != tt.text {
				t.Errorf("got %v, want %v", got, tt.text)
			}
		})
	}
}

func TestDropErrorHasReason(t *testing.T) {
	err := fmt.Errorf("stage age: %w", pipeline.Drop(events.ReasonStale))
	var drop *pipeline.DropError
	if !errors.As(err, &drop) || drop.Reason != events.ReasonStale || err.Error() != "stage age: pipeline: drop: stale" {
		t.Errorf("got %q with %+v", err, drop)
	}
}
