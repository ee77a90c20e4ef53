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
	Receipt   events.Receipt    // set by the router; all stages take ReceivedAt as the current time
	Heartbeat *events.Heartbeat // set by the stage "decode"

	decoded events.Heartbeat // see SetHeartbeat
}

// SetHeartbeat sets Heartbeat to a copy of h, which is a part of the Envelope. So the router can use the memory for the next message.
func (e *Envelope) SetHeartbeat(h events.Heartbeat) {
	e.decoded = h
	e.Heartbeat = &e.decoded
}

// Stage is one step of processing a message. It must be safe for concurrent use.
type Stage interface {
	// Process returns nil to pass the message to the next stage. OutcomeOf defines what each error means.
	Process(ctx context.Context, env *Envelope) error
}

// Named is a stage with its name for errors, logs and metrics.
type Named struct {
	Name  string
	Stage Stage
}

// Chain has the stages for a message, in the order of processing.
type Chain []Named

// ErrDrop matches every *DropError. The message is valid, but must have no further effect.
var ErrDrop = errors.New("pipeline: drop")

// DropError is an ErrDrop with a reason. The metric of rejected heartbeats counts the message by this reason.
type DropError struct{ Reason events.Reason }

// Drop returns a *DropError, which ends the processing of a message without retrying it.
func Drop(r events.Reason) error { return &DropError{r} }

func (e *DropError) Error() string { return fmt.Sprintf("pipeline: drop: %s", e.Reason) }

// Is makes errors.Is(err, ErrDrop) true.
func (e *DropError) Is(target error) bool { return target == ErrDrop }
