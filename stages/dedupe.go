package stages

import (
	"context"

	"rollcall/events"
	"rollcall/pipeline"
)

// Dedupe drops a heartbeat that Remember has added to Seen before.
type Dedupe struct{ Seen *Seen }

func (d Dedupe) Process(_ context.Context, env *pipeline.Envelope) error {
	if d.Seen.has(env) {
		return pipeline.Drop(events.ReasonDuplicate)
	}
	return nil
}
