package stages

import (
	"context"

	"rollcall/events"
	"rollcall/pipeline"
)

// Age drops a heartbeat that waited in NSQ for its TTL or longer. NSQ keeps messages without a time limit, and an old
// heartbeat would register a server that is gone. Age never drops a leave, because the registry orders leaves by incarnation.
type Age struct{ Registry Registry }

// Process drops the heartbeat if it is too old. It passes a dropped heartbeat to the registry too: the registry registers no
// server from it, but uses it to explain the server's state.
func (a Age) Process(ctx context.Context, env *pipeline.Envelope) error {
	if env.Receipt.Delay < env.Heartbeat.TTL() || env.Heartbeat.Type == events.KindLeave {
		return nil
	}
	if err := a.Registry.Observe(ctx, env.Heartbeat, env.Receipt); err != nil {
		return err
	}
	return pipeline.Drop(events.ReasonStale)
}
