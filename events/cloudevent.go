package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrUnknownType is the error of Decode for an event whose type this version does not know. Skip such an event.
var ErrUnknownType = errors.New("events: unknown event type")

const sourcePrefix = "/rollcall/apiserver/"

// cloudEvent is a CloudEvents 1.0 event in structured JSON, with the fields that all types of events have. Its data is of the type D.
type cloudEvent[D any] struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            Type      `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            D         `json:"data"`
}

// decodedEvent is a CloudEvent whose data is not decoded yet, because its type depends on the type of the event.
type decodedEvent cloudEvent[json.RawMessage]

// modeData is the data of a ModeChanged.
type modeData struct {
	Mode     Mode   `json:"mode"`
	Previous Mode   `json:"previous"`
	Detail   string `json:"detail"`
	Reason   Cause  `json:"reason"`
	Revision uint64 `json:"revision"`
	Observer string `json:"observer"`
}

// conflictData is the data of a ConflictChanged.
type conflictData struct {
	Conflict bool      `json:"conflict"`
	Started  time.Time `json:"started_at"`
	Detail   string    `json:"detail"`
	Reason   Cause     `json:"reason"`
	Revision uint64    `json:"revision"`
	Observer string    `json:"observer"`
}

// eventData is the data of an event about a server.
type eventData struct {
	Server   Server    `json:"server"`
	Reason   Cause     `json:"reason"`
	Revision uint64    `json:"revision"`
	LastSeen time.Time `json:"last_seen"`
	Observer string    `json:"observer"`
}

// Encode encodes e as one line of CloudEvents JSON.
func Encode(e Event) ([]byte, error) {
	t := e.Details()
	subject, content := t.Server.Key(), any(&eventData{t.Server, t.Cause, t.Revision, t.LastSeen, t.Observer})
	switch e := e.(type) {
	case ModeChanged:
		subject, content = t.Observer, modeData{e.Mode, e.Previous, e.Detail, t.Cause, t.Revision, t.Observer}
	case ConflictChanged:
		subject, content = t.Observer, conflictData{e.Conflict, e.Started, e.Detail, t.Cause, t.Revision, t.Observer}
	}
	b, err := json.Marshal(&cloudEvent[any]{
		SpecVersion:     "1.0",
		ID:              t.ID,
		Source:          sourcePrefix + t.Observer,
		Type:            e.Type(),
		Subject:         subject,
		Time:            t.Time,
		DataContentType: "application/json",
		Data:            content,
	})
	if err != nil {
		return nil, fmt.Errorf("events: encode %s: %w", e.Type(), err)
	}
	return b, nil
}

// Decode decodes an event that Encode has encoded. It ignores unknown fields. The error wraps ErrUnknownType if body is a
// CloudEvent of an unknown type, whatever its data is. Any other error is an *InvalidError.
func Decode(body []byte) (Event, error) {
	var ce decodedEvent
	if err := json.Unmarshal(body, &ce); err != nil {
		return nil, Invalid(ReasonMalformed, "%.200v", err)
	}
	switch {
	case ce.SpecVersion != "1.0":
		return nil, Invalid(ReasonVersion, "specversion %.16q, want 1.0", ce.SpecVersion)
	case ce.ID == "" || ce.Source == "":
		return nil, Invalid(ReasonMalformed, "id or source is missing")
	}
	switch ce.Type {
	case TypeMode:
		return ce.modeChanged()
	case TypeConflict:
		return ce.conflictChanged()
	}
	t, err := ce.transition()
	e, known := New(ce.Type, t)
	switch {
	case !known:
		return nil, fmt.Errorf("%w: %.64q", ErrUnknownType, string(ce.Type))
	case err != nil:
		return nil, err
	}
	return e, nil
}

func (ce *decodedEvent) modeChanged() (Event, error) {
	var data modeData
	if err := json.Unmarshal(ce.Data, &data); err != nil {
		return nil, Invalid(ReasonMalformed, "data: %.200v", err)
	}
	if data.Mode == "" || data.Observer == "" {
		return nil, Invalid(ReasonMalformed, "data has no mode or no observer")
	}
	return ModeChanged{
		Transition: Transition{ID: ce.ID, Time: ce.Time, Cause: data.Reason, Revision: data.Revision, Observer: data.Observer},
		Mode:       data.Mode, Previous: data.Previous, Detail: data.Detail,
	}, nil
}

func (ce *decodedEvent) conflictChanged() (Event, error) {
	var data conflictData
	if err := json.Unmarshal(ce.Data, &data); err != nil {
		return nil, Invalid(ReasonMalformed, "data: %.200v", err)
	}
	if data.Observer == "" {
		return nil, Invalid(ReasonMalformed, "data has no observer")
	}
	return ConflictChanged{
		Transition: Transition{ID: ce.ID, Time: ce.Time, Cause: data.Reason, Revision: data.Revision, Observer: data.Observer},
		Conflict:   data.Conflict, Started: data.Started, Detail: data.Detail,
	}, nil
}

// transition decodes the data of an event about a server.
func (ce *decodedEvent) transition() (Transition, error) {
	var data eventData
	if err := json.Unmarshal(ce.Data, &data); err != nil {
		return Transition{}, Invalid(ReasonMalformed, "data: %.200v", err)
	}
	if data.Server.Service == "" || data.Server.ID == "" {
		return Transition{}, Invalid(ReasonMalformed, "data.server has no service or no id")
	}
	if data.Observer == "" {
		data.Observer = strings.TrimPrefix(ce.Source, sourcePrefix)
	}
	return Transition{
		ID:       ce.ID,
		Time:     ce.Time,
		Server:   data.Server,
		Cause:    data.Reason,
		Revision: data.Revision,
		LastSeen: data.LastSeen,
		Observer: data.Observer,
	}, nil
}
