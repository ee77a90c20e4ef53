package stages

import (
	"context"

	"rollcall/pipeline"
)

// Register passes the heartbeat to the registry. It blocks while the registry's mailbox is full, so that messages wait in
// NSQ and not in the memory of this process.
type Register struct{ Registry Registry }

func (r Register) Process(ctx context.Context, env *pipeline.Envelope) error {
	return r.Registry.Observe(ctx, env.Heartbeat, env.Receipt)
}
