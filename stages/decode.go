package stages

import (
	"context"

	"rollcall/events"
	"rollcall/pipeline"
)

// UnknownFields receives the names of heartbeat fields that this version does not know. It must be safe for concurrent use.
type UnknownFields interface {
	Report(h *events.Heartbeat, names []string)
}

// Decode parses the payload into Envelope.Heartbeat. The strings of the heartbeat are parts of the payload, so nobody may change the payload
// afterwards.
type Decode struct {
	Unknown UnknownFields // may be nil
}

func (d Decode) Process(_ context.Context, env *pipeline.Envelope) error {
	h, unknown, err := events.DecodeFields(env.Payload)
	if err != nil {
		return err
	}
	env.SetHeartbeat(h)
	if len(unknown) > 0 && d.Unknown != nil {
		d.Unknown.Report(env.Heartbeat, unknown)
	}
	return nil
}
