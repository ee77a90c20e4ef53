package stages

import (
	"context"

	"rollcall/pipeline"
)

// Expire passes the time and the addresses of all known nsqd to the registry, which decides which leases have ended.
type Expire struct {
	Registry Registry
	NSQD     func() []string
}

func (e Expire) Process(ctx context.Context, env *pipeline.Envelope) error {
	return e.Registry.Tick(ctx, env.Receipt.ReceivedAt, e.NSQD())
}
