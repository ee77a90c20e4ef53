package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ContentType is that of an encoded lifecycle event.
const ContentType = "application/cloudevents+json"

// ErrUnknownType is returned for an event that a newer version may know; skip it.
var ErrUnknownType = errors.New("events: unknown event type")

const sourcePrefix = "/rollcall/apiserver/"

// cloudEvent is CloudEvents 1.0 in structured JSON.
type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            Type      `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            eventData `json:"data"`
}

type eventData struct {
	Server   Server    `json:"server"`
	Reason   Cause     `json:"reason"`
	Revision uint64    `json:"revision"`
	LastSeen time.Time `json:"last_seen"`
	Observer string    `json:"observer"`
}

// Encode writes e as one line of CloudEvents JSON.
func Encode(e Event) ([]byte, error) {
	t := e.Details()
	b, err := json.Marshal(cloudEvent{
		SpecVersion:     "1.0",
		ID:              t.ID,
		Source:          sourcePrefix + t.Observer,
		Type:            e.Type(),
		Subject:         t.Server.Key(),
		Time:            t.Time,
		DataContentType: "application/json",
		Data:            eventData{t.Server, t.Cause, t.Revision, t.LastSeen, t.Observer},
	})
	if err != nil {
		return nil, fmt.Errorf("events: encode %s: %w", e.Type(), err)
	}
	return b, nil
}

// Decode reads what Encode wrote. The error is an *InvalidError, or wraps ErrUnknownType where the
// message is a CloudEvent of another type. Unknown fields are ignored.
func Decode(body []byte) (Event, error) {
	var ce cloudEvent
	if err := json.Unmarshal(body, &ce); err != nil {
		return nil, Invalid(ReasonMalformed, "%v", err)
	}
	switch {
	case ce.SpecVersion != "1.0":
		return nil, Invalid(ReasonVersion, "specversion %.16q, want 1.0", ce.SpecVersion)
	case ce.ID == "" || ce.Source == "":
		return nil, Invalid(ReasonMalformed, "id or source is missing")
	}
	t := Transition{
		ID:       ce.ID,
		Time:     ce.Time,
		Server:   ce.Data.Server,
		Cause:    ce.Data.Reason,
		Revision: ce.Data.Revision,
		LastSeen: ce.Data.LastSeen,
		Observer: ce.Data.Observer,
	}
	if t.Observer == "" {
		t.Observer = strings.TrimPrefix(ce.Source, sourcePrefix)
	}
	e, known := New(ce.Type, t)
	if !known {
		return nil, fmt.Errorf("%w: %.64q", ErrUnknownType, string(ce.Type))
	}
	if t.Server.Service == "" || t.Server.ID == "" {
		return nil, Invalid(ReasonMalformed, "data.server names no server")
	}
	return e, nil
}
