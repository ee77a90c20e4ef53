package stages

import (
	"context"

	"rollcall/pipeline"
)

// Expire tells the registry the time. Whose lease has ended is for the registry to say.
type Expire struct{ Registry Registry }

func (e Expire) Process(ctx context.Context, env *pipeline.Envelope) error {
	return e.Registry.Tick(ctx, env.Receipt.ReceivedAt)
}
