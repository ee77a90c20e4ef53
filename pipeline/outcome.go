package pipeline

import (
	"errors"

	"rollcall/events"
)

// Outcome is what becomes of a message.
type Outcome uint8

const (
	OutcomePassed   Outcome = iota // ack
	OutcomeDropped                 // ack, counted by reason
	OutcomeRejected                // copied to the .invalid topic, ack, counted by reason
	OutcomeRetried                 // nack: NSQ delivers it again, without backoff
	outcomes
)

func (o Outcome) String() string {
	return [outcomes]string{"passed", "dropped", "rejected", "retried"}[o]
}

// OutcomeOf is the one table of what a stage's error means:
//
//	nil                  passed
//	ErrDrop              dropped
//	events.ErrInvalid    rejected: no retry can repair it
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
