package nsqpubsub_test

import (
	"bytes"
	"maps"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"rollcall/pipeline/nsqpubsub"
)

type marshaler interface {
	nsqpubsub.Marshaler
	nsqpubsub.Unmarshaler
}

const event = `{"specversion":"1.0","id":"e-1","source":"/s","type":"t","data":{"a":1}}`

func TestMarshalersCarry(t *testing.T) {
	id := [16]byte([]byte("0123456789abcdef"))
	rows := map[string]struct {
		marshaler marshaler
		payload   string
		uuid      string // on arrival
		metadata  map[string]string
		body      string // "" is not looked at
	}{
		"plain: the payload alone, bytes of any kind": {nsqpubsub.Plain{}, "\x00\xff{", string(id[:]), nil, "\x00\xff{"},
		"envelope: UUID and metadata too":             {nsqpubsub.Envelope{}, "\x00\xff", "u-1", map[string]string{"k": "v"}, ""},
		"envelope: the empty payload":                 {nsqpubsub.Envelope{}, "", "u-1", map[string]string{"k": "v"}, ""},
		"cloud event: the payload, and id as UUID":    {nsqpubsub.CloudEvents{}, event, "e-1", nil, event},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			msg := message.NewMessage("u-1", []byte(row.payload))
			msg.Metadata.Set("k", "v")
			body, err := row.marshaler.Marshal("t", msg)
			if err != nil {
				t.Fatal(err)
			}
			if row.body != "" && string(body) != row.body {
				t.Errorf("got body %q, want %q", body, row.body)
			}
			got, err := row.marshaler.Unmarshal("t", &nsqpubsub.Delivery{ID: id, Body: body})
			if err != nil {
				t.Fatal(err)
			}
			if got.UUID != row.uuid || !bytes.Equal(got.Payload, msg.Payload) || !maps.Equal(got.Metadata, row.metadata) {
				t.Errorf("got %q, %v, %q", got.UUID, got.Metadata, got.Payload)
			}
			got.Metadata.Set("handlers", "may add some")
		})
	}
}

func TestMarshalersRefuse(t *testing.T) {
	rows := map[string]struct {
		marshaler marshaler
		body      string
	}{
		"an envelope cut short":              {nsqpubsub.Envelope{}, `{"uuid":"u`},
		"an event that is no JSON":           {nsqpubsub.CloudEvents{}, `x`},
		"an event without id":                {nsqpubsub.CloudEvents{}, `{"specversion":"1.0"}`},
		"an event without specversion":       {nsqpubsub.CloudEvents{}, `{"id":"e-1"}`},
		"an event of a specversion to come":  {nsqpubsub.CloudEvents{}, `{"id":"e-1","specversion":"2.0"}`},
		"an event whose id is not a string ": {nsqpubsub.CloudEvents{}, `{"id":1,"specversion":"1.0"}`},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			if msg, err := row.marshaler.Unmarshal("t", &nsqpubsub.Delivery{Body: []byte(row.body)}); err == nil {
				t.Errorf("got %+v", msg)
			}
		})
	}
	if _, err := (nsqpubsub.CloudEvents{}).Marshal("t", message.NewMessage("u", []byte("x"))); err == nil {
		t.Error("published what is no event")
	}
}
