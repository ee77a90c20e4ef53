package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"rollcall/events"
)

// minimal is the result of decoding a heartbeat with only the required fields, and of decoding a bare address.
var minimal = events.Heartbeat{
	V: 1, Type: events.KindHeartbeat, Service: "data", ID: "10.0.0.7:8080", Addr: "10.0.0.7:8080", Weight: 100,
}

func TestDecodeHeartbeatSetsDefaults(t *testing.T) {
	with := func(change func(*events.Heartbeat)) events.Heartbeat {
		h := minimal
		change(&h)
		return h
	}
	for _, tt := range []struct {
		name string
		body string
		want events.Heartbeat
	}{
		{"type, id and weight", required(""), minimal},
		{"a bare address has the service data", "10.0.0.7:8080", minimal},
		{"a bare address with a line end", "10.0.0.7:8080\n", minimal},
		{"a bare address with a Windows line end", " 10.0.0.7:8080\r\n", minimal},
		{"a bare IPv6 address", "[::1]:80",
			with(func(h *events.Heartbeat) { h.ID, h.Addr = "[::1]:80", "[::1]:80" })},
		{"an empty id defaults to the address", required(`"id":""`), minimal},
		{"weight 0 stays 0", required(`"weight":0`), with(func(h *events.Heartbeat) { h.Weight = 0 })},
		{"null is absent", required(`"type":null,"id":null,"incarnation":null,"seq":null,"interval_ms":null,` +
			`"ttl_ms":null,"weight":null,"zone":null,"version":null,"tags":null,"meta":null,"load":null,"sent_at":null`), minimal},
		{"empty arrays and objects are absent", required(`"tags":[],"meta":{},"load":{}`), minimal},
		{"a load without known fields is absent", required(`"load":{"cpu":0.5}`), with(func(*events.Heartbeat) {})},
		{"an unknown field of load is ignored", required(`"load":{"in_flight":3,"cpu":0.5}`),
			with(func(h *events.Heartbeat) { h.Load = &events.Load{InFlight: 3} })},
		{"unknown fields are ignored", required(`"x":1,"y":{"z":[{"w":null}]},"":"","V":2,"Weight":7`), minimal},
		{"white space around and between tokens", " \t\r\n" + strings.ReplaceAll(required(""), ",", " ,\n") + "\n ", minimal},
		{"meta is sorted by key", required(`"meta":{"b":"2","c":"3","a":"1"}`),
			with(func(h *events.Heartbeat) { h.Meta = events.Meta{{"a", "1"}, {"b", "2"}, {"c", "3"}} })},
		{"escaped names", required(`"\u007aone":"a","m\u0065ta":{"\u0072ack":"r7"}`),
			with(func(h *events.Heartbeat) { h.Zone, h.Meta = "a", events.Meta{{"rack", "r7"}} })},
		{"escaped values", required(`"zone":"\u0061\"\\\/","tags":["bl\u00fce"],"sent_at":"2026-11-22T12:00:00\u002b00:00"`),
			with(func(h *events.Heartbeat) {
				h.Zone, h.Tags = `a"\/`, []string{"blüe"}
				h.SentAt = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
			})},
		{"markup in metadata is kept", required(`"meta":{"note":"<script>alert(1)</script>"}`),
			with(func(h *events.Heartbeat) { h.Meta = events.Meta{{"note", "<script>alert(1)</script>"}} })},
		{"a pair of surrogates is one character", required(`"zone":"\ud83d\ude00"`),
			with(func(h *events.Heartbeat) { h.Zone = "\U0001f600" })},
		{"the replacement character is a character", required(`"zone":"\ufffd"`),
			with(func(h *events.Heartbeat) { h.Zone = "\ufffd" })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustAccept(t, tt.body); !sameHeartbeat(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeHeartbeatReadsEveryField(t *testing.T) {
	const body = `{"v":1,"type":"heartbeat","service":"data","id":"9f0c…","addr":"10.0.0.7:8080","incarnation":1763812345678,"seq":42,
 "interval_ms":5000,"ttl_ms":10000,"weight":100,"zone":"a","version":"1.4.2","tags":["blue"],"meta":{"rack":"r7"},
 "load":{"in_flight":3},"sent_at":"2026-11-22T12:00:00.123Z"}`
	h := mustAccept(t, body)
	want := full
	want.ID, want.Tags, want.Meta = "9f0c…", []string{"blue"}, events.Meta{{"rack", "r7"}}
	if !sameHeartbeat(h, want) {
		t.Errorf("got  %+v\nwant %+v", h, want)
	}
	if h.Interval() != 5*time.Second || h.TTL() != 10*time.Second {
		t.Errorf("interval %v, ttl %v", h.Interval(), h.TTL())
	}
}

func TestDecodeHeartbeatSharesNoMemoryWithBody(t *testing.T) {
	for _, text := range []string{string(mustJSON(t, full)), required(`"zone":"\u0061","meta":{"k\u0061":"v"}`), "10.0.0.7:8080", required("")} {
		body := []byte(text)
		got, want := mustAccept(t, string(body)), mustAcceptBytes(t, body)
		for i := range body {
			body[i] = 'X'
		}
		if !sameHeartbeat(got, want) {
			t.Errorf("%s: the heartbeat changed with the body: %+v", text, want)
		}
	}
}

// A heartbeat must not contain values from a body that was decoded before.
func TestDecodeHeartbeatKeepsNoState(t *testing.T) {
	for _, former := range []string{string(mustJSON(t, full)), required(`"meta":{"a":"1","b`), required(`"x":{"y":[1,`), `{"v":"`} {
		if h, err := events.DecodeHeartbeat([]byte(former)); err != nil && !reflect.ValueOf(h).IsZero() {
			t.Errorf("%s: %+v together with the error %v", former, h, err)
		}
		if got := mustAccept(t, required("")); !sameHeartbeat(got, minimal) {
			t.Errorf("after %s: %+v", former, got)
		}
	}
}

// BenchmarkDecodeHeartbeat compares DecodeHeartbeat with encoding/json into the same struct, and with only reading the tokens
// by jsontext, which any decoder based on jsontext must do.
func BenchmarkDecodeHeartbeat(b *testing.B) {
	body := []byte(`{"v":1,"type":"heartbeat","service":"data","id":"9f0c2c5e","addr":"10.0.0.7:8080",` +
		`"incarnation":1763812345678,"seq":42,"interval_ms":5000,"ttl_ms":10000,"weight":100,"zone":"a","version":"1.4.2",` +
		`"tags":["blue"],"meta":{"rack":"r7"},"load":{"in_flight":3},"sent_at":"2026-11-22T12:00:00.123Z"}`)
	b.Run("DecodeHeartbeat", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := events.DecodeHeartbeat(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var h events.Heartbeat
			if err := json.Unmarshal(body, &h); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tokens", func(b *testing.B) {
		b.ReportAllocs()
		var in bytes.Buffer
		d := jsontext.NewDecoder(&in)
		for b.Loop() {
			in = *bytes.NewBuffer(body)
			d.Reset(&in)
			for {
				if _, err := d.ReadToken(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// required returns a heartbeat with the required fields and, if the text more is not empty, with the fields in that text.
func required(more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"v":1,"service":"data","addr":"10.0.0.7:8080"` + more + "}"
}

// accept decodes and validates a heartbeat as an API server does.
func accept(body []byte) (events.Heartbeat, error) {
	h, err := events.DecodeHeartbeat(body)
	if err != nil {
		return h, err
	}
	if err := h.Validate(); err != nil {
		return h, err
	}
	_, err = events.ParseAddr(h.Addr)
	return h, err
}

func mustAccept(t *testing.T, body string) events.Heartbeat {
	t.Helper()
	return mustAcceptBytes(t, []byte(body))
}

func mustAcceptBytes(t *testing.T, body []byte) events.Heartbeat {
	t.Helper()
	h, err := accept(body)
	if err != nil {
		t.Fatalf("%.200s: %v", body, err)
	}
	return h
}

// mustReject returns the error with which the function accept rejects body. It fails the test if body is accepted.
func mustReject(t *testing.T, body string) *events.InvalidError {
	t.Helper()
	h, err := accept([]byte(body))
	if err == nil {
		t.Fatalf("%.200s: accepted as %+v", body, h)
	}
	return mustInvalid(t, err)
}

func mustInvalid(t *testing.T, err error) *events.InvalidError {
	t.Helper()
	var invalid *events.InvalidError
	if !errors.As(err, &invalid) || !errors.Is(err, events.ErrInvalid) {
		t.Fatalf("error %v (%T), want an *InvalidError", err, err)
	}
	return invalid
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sameHeartbeat reports whether a and b are equal. It compares times as instants, without their zones.
func sameHeartbeat(a, b events.Heartbeat) bool {
	same := a.SentAt.Equal(b.SentAt)
	a.SentAt, b.SentAt = time.Time{}, time.Time{}
	return same && reflect.DeepEqual(a, b)
}
