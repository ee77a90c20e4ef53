package stages

import (
	"context"

	"rollcall/pipeline"
)

// Remember adds a heartbeat to Seen. It must follow Register, so that a heartbeat that failed in an earlier stage is not a
// duplicate when NSQ delivers it again.
type Remember struct{ Seen *Seen }

func (r Remember) Process(_ context.Context, env *pipeline.Envelope) error {
	r.Seen.add(env)
	return nil
}
