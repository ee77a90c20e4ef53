package nsqpubsub_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"rollcall/pipeline/nsqpubsub"
)

// envelope is a Marshaler and Unmarshaler that keeps UUID, metadata and an empty payload, which Watermill's suite requires.
type envelope struct{}

type enveloped struct {
	UUID     string
	Metadata map[string]string
	Payload  []byte
}

func (envelope) Marshal(_ string, msg *message.Message) ([]byte, error) {
	return json.Marshal(enveloped{msg.UUID, msg.Metadata, msg.Payload})
}

func (envelope) Unmarshal(_ string, d *nsqpubsub.Delivery) (*message.Message, error) {
	var e enveloped
	if err := json.Unmarshal(d.Body, &e); err != nil {
		return nil, err
	}
	msg := message.NewMessage(e.UUID, e.Payload)
	if e.Metadata != nil {
		msg.Metadata = e.Metadata
	}
	return msg, nil
}

func TestPlain(t *testing.T) {
	const id, payload = "0123456789abcdef", "\x00\xff{"
	msg := message.NewMessage("u-1", []byte(payload))
	msg.Metadata.Set("k", "v")
	body, err := nsqpubsub.Plain{}.Marshal("t", msg)
	if err != nil || string(body) != payload {
		t.Fatalf("got body %q, %v; want %q", body, err, payload)
	}
	got, err := nsqpubsub.Plain{}.Unmarshal("t", &nsqpubsub.Delivery{ID: [16]byte([]byte(id)), Body: body})
	if err != nil || got.UUID != id || !bytes.Equal(got.Payload, msg.Payload) || len(got.Metadata) != 0 {
		t.Fatalf("got %+v, %v; want UUID %s and payload %q", got, err, id, payload)
	}
	got.Metadata.Set("handlers", "may add some")
}
