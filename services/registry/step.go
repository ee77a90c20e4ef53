package registry

import "rollcall/events"

// step is one arrow of the diagram in the package comment, with its cause.
type step uint8

const (
	stepRegistered step = iota
	stepUpdated
	stepSuspected
	stepRecovered
	stepExpired
	stepLeft
	stepRestarted // replaced: the same id, a newer incarnation
	stepDisplaced // replaced: another id, on the same address
	steps
)

// event returns the type and cause that tell of the step.
func (s step) event() (events.Type, events.Cause) {
	switch s {
	case stepRegistered:
		return events.TypeRegistered, events.CauseHeartbeat
	case stepUpdated:
		return events.TypeUpdated, events.CauseChanged
	case stepSuspected:
		return events.TypeSuspected, events.CauseSilent
	case stepRecovered:
		return events.TypeRecovered, events.CauseHeartbeat
	case stepExpired:
		return events.TypeExpired, events.CauseTTL
	case stepLeft:
		return events.TypeLeft, events.CauseLeave
	case stepRestarted:
		return events.TypeReplaced, events.CauseIncarnation
	}
	return events.TypeReplaced, events.CauseAddress
}
