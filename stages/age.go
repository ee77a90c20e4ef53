package stages

import (
	"context"

	"rollcall/events"
	"rollcall/pipeline"
)

// Age drops a heartbeat that waited in NSQ for its whole TTL or longer: NSQ keeps messages for ever, and
// what it kept must not raise the dead. A leave is never too old: the registry orders it by its incarnation.
type Age struct{ Registry Registry }

func (a Age) Process(ctx context.Context, env *pipeline.Envelope) error {
	if env.Receipt.Delay < env.Heartbeat.TTL() || env.Heartbeat.Type == events.KindLeave {
		return nil
	}
	if err := a.Registry.Observe(ctx, env.Heartbeat, env.Receipt); err != nil { // for its explanation of the server
		return err
	}
	return pipeline.Drop(events.ReasonStale)
}
