package registry

import "rollcall/events"

// step is a transition of a server together with its cause. The diagram in doc.go shows the transitions.
type step uint8

const (
	stepRegistered step = iota
	stepUpdated
	stepSuspected
	stepUnreachable
	stepContested
	stepRecovered
	stepConfirmed
	stepExpired
	stepRefused
	stepStranger
	stepLeft
	stepRestarted
	stepDisplaced
	steps
)

var stepEvents = [steps]struct {
	typ   events.Type
	cause events.Cause
}{
	stepRegistered:  {events.TypeRegistered, events.CauseHeartbeat},
	stepUpdated:     {events.TypeUpdated, events.CauseChanged},
	stepSuspected:   {events.TypeSuspected, events.CauseSilent},
	stepUnreachable: {events.TypeSuspected, events.CauseUnreachable},
	stepContested:   {events.TypeSuspected, events.CauseAddress}, // a newer server has the address of the suspected server
	stepRecovered:   {events.TypeRecovered, events.CauseHeartbeat},
	stepConfirmed:   {events.TypeRecovered, events.CauseProbe},
	stepExpired:     {events.TypeExpired, events.CauseTTL},
	stepRefused:     {events.TypeExpired, events.CauseRefused},
	stepStranger:    {events.TypeExpired, events.CauseIdentity},
	stepLeft:        {events.TypeLeft, events.CauseLeave},
	stepRestarted:   {events.TypeReplaced, events.CauseIncarnation}, // another incarnation of the same id replaced the server
	stepDisplaced:   {events.TypeReplaced, events.CauseAddress},     // a server with another id took the address
}

// The method event returns the type and cause of the event that reports the step.
func (s step) event() (events.Type, events.Cause) { return stepEvents[s].typ, stepEvents[s].cause }

// stepOf returns the step that an event of this type and cause reports, if there is one.
func stepOf(typ events.Type, cause events.Cause) (step, bool) {
	for why, t := range stepEvents {
		if t.typ == typ && t.cause == cause {
			return step(why), true
		}
	}
	return 0, false
}
