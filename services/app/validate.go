package app

import (
	"context"
	"fmt"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/services/config"
	"rollcall/stages"
)

// fieldNotes collects the unknown fields of one heartbeat.
type fieldNotes []string

func (n *fieldNotes) Report(_ *events.Heartbeat, names []string) { *n = append(*n, names...) }

// ValidateHeartbeat decodes and validates body as if an API server received body at the time now. It returns the heartbeat with all
// defaults filled in, and notes for the author of body. If an API server would reject body, the error is an *events.InvalidError.
func ValidateHeartbeat(cfg config.Config, body []byte, now time.Time) (*events.Heartbeat, []string, error) {
	permit, err := permitOf(cfg.Registry)
	if err != nil {
		return nil, nil, err
	}
	var unknown fieldNotes
	env := &pipeline.Envelope{Payload: body, Receipt: events.Receipt{PublishedAt: now, ReceivedAt: now}}
	for _, stage := range []pipeline.Stage{stages.Decode{Unknown: &unknown}, validateStage(cfg.Registry, permit)} {
		if err := stage.Process(context.Background(), env); err != nil {
			return nil, nil, err
		}
	}
	return env.Heartbeat, heartbeatNotes(env.Heartbeat, unknown, now), nil
}

func heartbeatNotes(h *events.Heartbeat, unknown []string, now time.Time) []string {
	var notes []string
	for _, name := range unknown {
		notes = append(notes, fmt.Sprintf("field %q is unknown and ignored", name))
	}
	switch {
	case h.Type == events.KindLeave && h.Incarnation == 0:
		notes = append(notes, "a leave without an incarnation removes any server with this id")
	case h.Incarnation == 0:
		notes = append(notes, "without incarnation and seq, API servers cannot distinguish a restart from a late message")
	case time.UnixMilli(h.Incarnation).After(now.Add(5 * time.Minute)):
		notes = append(notes, fmt.Sprintf("incarnation %d is in the future, so it does not replace a server whose heartbeats arrive", h.Incarnation))
	}
	return notes
}
