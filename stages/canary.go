package stages

import (
	"context"
	"fmt"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
)

// ClockSkew estimates the difference between the clock of an nsqd and the clock of this process. It uses the canaries of this process.
type ClockSkew interface {
	Learn(r events.Receipt, sent time.Time)
}

// errCanary is not a *pipeline.DropError, because the metric of rejected heartbeats must not count canaries.
var errCanary = fmt.Errorf("stages: canary: %w", pipeline.ErrDrop)

// Canary passes every canary to the registry, through the same mailbox as the heartbeats, and then drops the canary. A canary
// from any API server shows the registry that messages arrive through the nsqd of the canary.
type Canary struct {
	Registry Registry
	ID       string    // id of this API server
	Started  time.Time // start of this process, as its canaries state it
	Skew     ClockSkew // receives this process's own canaries; may be nil
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
