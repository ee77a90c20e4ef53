package pipeline

import (
	"context"
	"errors"
	"fmt"

	"rollcall/events"
)

// Envelope is one message on its way. Each stage may rely on what the ones before it filled in. It
// belongs to the stage that runs; nobody keeps it after the chain.
type Envelope struct {
	Payload   []byte            // edge
	Receipt   events.Receipt    // edge; ReceivedAt is the only clock a stage may use
	Heartbeat *events.Heartbeat // decode; the stage that hands it on gives it away
}

// Stage is one step on the way of a message. It must be safe for concurrent use.
type Stage interface {
	// Process does the step, or says by its error what becomes of the message: see OutcomeOf.
	Process(ctx context.Context, env *Envelope) error
}

// Named is a stage with the name that shows in errors, logs and metrics.
type Named struct {
	Name  string
	Stage Stage
}

// Chain is the stages of a message in their order.
type Chain []Named

// ErrDrop is what every *DropError is: a message that is in order but has nothing to say.
var ErrDrop = errors.New("pipeline: drop")

// DropError is an ErrDrop with its reason, under which it is counted.
type DropError struct{ Reason events.Reason }

// Drop ends the way of a message without harm.
func Drop(r events.Reason) error { return &DropError{r} }

func (e *DropError) Error() string { return fmt.Sprintf("pipeline: drop: %s", e.Reason) }

// Is makes errors.Is(err, ErrDrop) true.
func (e *DropError) Is(target error) bool { return target == ErrDrop }
