package nsqpubsub

import "github.com/ThreeDotsLabs/watermill/message"

// Marshaler encodes a Watermill message as the body of an NSQ message. It must be safe for concurrent use.
type Marshaler interface {
	Marshal(topic string, msg *message.Message) ([]byte, error)
}

// Unmarshaler decodes a delivery into a Watermill message. It must be safe for concurrent use, and may keep the delivery's body but not
// the delivery. If Unmarshal returns an error, Subscriber logs the error and drops the message.
type Unmarshaler interface {
	Unmarshal(topic string, d *Delivery) (*message.Message, error)
}

// Plain uses the payload of a Watermill message as the body of an NSQ message, so that NSQ clients of any kind can read it. The UUID
// and metadata of a published message are lost; the UUID of a received message is NSQ's message ID. A message without payload cannot be
// published.
type Plain struct{}

// Marshal returns the payload.
func (Plain) Marshal(_ string, msg *message.Message) ([]byte, error) { return msg.Payload, nil }

// Unmarshal returns a message with the body of d.
func (Plain) Unmarshal(_ string, d *Delivery) (*message.Message, error) {
	return message.NewMessage(string(d.ID[:]), d.Body), nil
}
