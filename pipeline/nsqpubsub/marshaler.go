package nsqpubsub

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Marshaler makes the body of an NSQ message of a Watermill message. It must be safe for concurrent use.
type Marshaler interface {
	Marshal(topic string, msg *message.Message) ([]byte, error)
}

// Unmarshaler makes a Watermill message of a delivery. It must be safe for concurrent use; it may keep
// the delivery's body but not the delivery. What it refuses is logged and never delivered again.
type Unmarshaler interface {
	Unmarshal(topic string, d *Delivery) (*message.Message, error)
}

// Plain has the payload for a body, as any NSQ client understands it. UUID and metadata stay behind; the
// UUID on arrival is NSQ's message ID. An empty payload cannot be sent.
type Plain struct{}

func (Plain) Marshal(_ string, msg *message.Message) ([]byte, error) { return msg.Payload, nil }

func (Plain) Unmarshal(_ string, d *Delivery) (*message.Message, error) {
	return message.NewMessage(string(d.ID[:]), d.Body), nil
}

// Envelope wraps UUID, metadata and payload in a JSON object; all of them survive, the empty ones too.
type Envelope struct{}

type envelope struct {
	UUID     string            `json:"uuid"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Payload  []byte            `json:"payload"`
}

func (Envelope) Marshal(_ string, msg *message.Message) ([]byte, error) {
	return json.Marshal(envelope{UUID: msg.UUID, Metadata: msg.Metadata, Payload: msg.Payload})
}

func (Envelope) Unmarshal(_ string, d *Delivery) (*message.Message, error) {
	var e envelope
	if err := json.Unmarshal(d.Body, &e); err != nil {
		return nil, fmt.Errorf("nsqpubsub: envelope: %w", err)
	}
	msg := message.NewMessage(e.UUID, e.Payload)
	if e.Metadata != nil {
		msg.Metadata = e.Metadata
	}
	return msg, nil
}

// CloudEvents has a CloudEvents 1.0 event in structured JSON for a body: the payload is the event, and
// its id becomes the UUID on arrival. Metadata stays behind.
type CloudEvents struct{}

func (CloudEvents) Marshal(_ string, msg *message.Message) ([]byte, error) {
	if _, err := eventID(msg.Payload); err != nil {
		return nil, err
	}
	return msg.Payload, nil
}

func (CloudEvents) Unmarshal(_ string, d *Delivery) (*message.Message, error) {
	id, err := eventID(d.Body)
	if err != nil {
		return nil, err
	}
	return message.NewMessage(id, d.Body), nil
}

func eventID(body []byte) (string, error) {
	var event struct {
		SpecVersion string `json:"specversion"`
		ID          string `json:"id"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return "", fmt.Errorf("nsqpubsub: cloud event: %w", err)
	}
	if event.SpecVersion != "1.0" {
		return "", fmt.Errorf("nsqpubsub: cloud event: specversion %q, want 1.0", event.SpecVersion)
	}
	if event.ID == "" {
		return "", errors.New("nsqpubsub: cloud event: no id")
	}
	return event.ID, nil
}
