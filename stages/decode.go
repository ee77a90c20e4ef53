package stages

import (
	"context"

	"rollcall/events"
	"rollcall/pipeline"
)

// Decode reads the payload.
type Decode struct{}

func (Decode) Process(_ context.Context, env *pipeline.Envelope) error {
	h, err := events.DecodeHeartbeat(env.Payload)
	if err != nil {
		return err
	}
	env.Heartbeat = &h
	return nil
}
