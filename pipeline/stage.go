package pipeline

import (
	"context"
	"errors"
	"fmt"

	"rollcall/events"
)

// Envelope is a message in the pipeline. Each stage may use the fields that earlier stages have set. Only the running stage may
// use it, and no stage may keep it.
type Envelope struct {
	Payload   []byte            // set by the router
	Receipt   events.Receipt    // set by the router; ReceivedAt is the current time for all stages
	Heartbeat *events.Heartbeat // set by the stage decode; the registry owns it after the stage register
}

// Stage is one step of processing a message. It must be safe for concurrent use.
type Stage interface {
	// Process returns nil to pass the message to the next stage. OutcomeOf has the meaning of errors.
	Process(ctx context.Context, env *Envelope) error
}

// Named is a stage with its name for errors, logs and metrics.
type Named struct {
	Name  string
	Stage Stage
}

// Chain is the stages for a message, in order.
type Chain []Named

// ErrDrop matches every *DropError: the message is valid and has no effect.
var ErrDrop = errors.New("pipeline: drop")

// DropError is an ErrDrop with the reason for which it is counted.
type DropError struct{ Reason events.Reason }

// Drop returns a *DropError, which ends the processing of a message without retrying it.
func Drop(r events.Reason) error { return &DropError{r} }

func (e *DropError) Error() string { return fmt.Sprintf("pipeline: drop: %s", e.Reason) }

// Is makes errors.Is(err, ErrDrop) true.
func (e *DropError) Is(target error) bool { return target == ErrDrop }
