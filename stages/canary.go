package stages

import (
	"context"
	"fmt"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
)

// Skew learns the difference of the clocks from a canary of this process, received now and sent then.
type Skew interface {
	Learn(r events.Receipt, sent time.Time)
}

// errCanary is no *pipeline.DropError: a canary is no heartbeat that changed nothing.
var errCanary = fmt.Errorf("stages: a canary goes no further: %w", pipeline.ErrDrop)

// Canary is the end of the way of each canary, of whatever API server. The registry takes it as a sign that it hears
// through that nsqd, and by the same mailbox as a heartbeat.
type Canary struct {
	Registry Registry
	Config
}

func (c Canary) Process(ctx context.Context, env *pipeline.Envelope) error {
	h := env.Heartbeat
	if h.Type != events.KindCanary {
		return nil
	}
	if c.Skew != nil {
		if sent, own := h.CanarySent(c.ID, c.Started); own {
			c.Skew.Learn(env.Receipt, sent)
		}
	}
	if err := c.Registry.Observe(ctx, h, env.Receipt); err != nil {
		return err
	}
	return errCanary
}
