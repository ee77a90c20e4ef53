package stages

import (
	"context"

	"rollcall/pipeline"
)

// Expire tells the registry the time, and through which nsqd it should hear. Whose lease has ended is for the
// registry to say.
type Expire struct {
	Registry Registry
	NSQD     func() []string
}

func (e Expire) Process(ctx context.Context, env *pipeline.Envelope) error {
	return e.Registry.Tick(ctx, env.Receipt.ReceivedAt, e.NSQD())
}
