package stages

import (
	"context"

	"rollcall/events"
	"rollcall/pipeline"
)

// Age drops a heartbeat that waited in NSQ for its whole TTL or longer: NSQ keeps messages for ever, and
// what it kept must not raise the dead. A leave is never too old, because it names its incarnation.
type Age struct{}

func (Age) Process(_ context.Context, env *pipeline.Envelope) error {
	if env.Receipt.Delay >= env.Heartbeat.TTL() && env.Heartbeat.Type != events.KindLeave {
		return pipeline.Drop(events.ReasonStale)
	}
	return nil
}
