package stages

import (
	"context"

	"rollcall/events"
	"rollcall/pipeline"
)

// Age drops a heartbeat that waited in NSQ for its TTL or longer. NSQ keeps messages without limit, and an old one would
// register a server that is gone. It never drops a leave: the registry orders leaves by incarnation.
type Age struct{ Registry Registry }

// Process drops the heartbeat or lets it pass. The registry receives a dropped one too, so that it can explain the server's
// state; it registers nothing from it.
func (a Age) Process(ctx context.Context, env *pipeline.Envelope) error {
	if env.Receipt.Delay < env.Heartbeat.TTL() || env.Heartbeat.Type == events.KindLeave {
		return nil
	}
	if err := a.Registry.Observe(ctx, env.Heartbeat, env.Receipt); err != nil {
		return err
	}
	return pipeline.Drop(events.ReasonStale)
}
