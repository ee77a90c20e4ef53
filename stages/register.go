package stages

import (
	"context"

	"rollcall/pipeline"
)

// Register hands the heartbeat to the registry. It waits while the registry's mailbox is full, which
// holds up NSQ and not the memory.
type Register struct{ Registry Registry }

func (r Register) Process(ctx context.Context, env *pipeline.Envelope) error {
	return r.Registry.Observe(ctx, env.Heartbeat, env.Receipt)
}
