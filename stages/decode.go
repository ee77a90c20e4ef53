package stages

import (
	"context"

	"rollcall/events"
	"rollcall/pipeline"
)

// Fields hears of the fields of a heartbeat that this version does not know. It must be safe for concurrent use.
type Fields interface {
	Unknown(h *events.Heartbeat, names []string)
}

// Decode reads the payload.
type Decode struct{ Fields Fields } // nil is nobody

func (d Decode) Process(_ context.Context, env *pipeline.Envelope) error {
	h, unknown, err := events.DecodeFields(env.Payload)
	if err != nil {
		return err
	}
	env.Heartbeat = &h
	if len(unknown) > 0 && d.Fields != nil {
		d.Fields.Unknown(env.Heartbeat, unknown)
	}
	return nil
}
