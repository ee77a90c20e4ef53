package pipeline

import (
	"errors"

	"rollcall/events"
)

// Outcome is the result of processing a message.
type Outcome uint8

// The outcomes, with what happens to the message.
const (
	OutcomePassed   Outcome = iota // the message is acked
	OutcomeDropped                 // the message is acked; a metric counts it by reason if the error is a *DropError
	OutcomeRejected                // the message is copied to the .invalid topic and acked; a metric counts it by reason
	OutcomeRetried                 // the message is nacked: NSQ delivers it again, without backoff
	outcomes
)

func (o Outcome) String() string {
	return [outcomes]string{"passed", "dropped", "rejected", "retried"}[o]
}

// OutcomeOf returns the outcome for the error of a stage:
//
//	nil                  passed
//	ErrDrop              dropped
//	events.ErrInvalid    rejected, because a retry would fail as well
//	anything else        retried
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OutcomePassed
	case errors.Is(err, ErrDrop):
		return OutcomeDropped
	case errors.Is(err, events.ErrInvalid):
		return OutcomeRejected
	}
	return OutcomeRetried
}
