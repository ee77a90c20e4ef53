package events_test

import (
	"testing"
	"time"

	"rollcall/events"
)

func TestCanarySent(t *testing.T) {
	started := time.Now()
	sent := started.Add(42*time.Second + 7*time.Microsecond)
	body, err := events.EncodeCanary("api-1", started, sent)
	if err != nil {
		t.Fatal(err)
	}
	h, err := events.DecodeHeartbeat(body)
	if err != nil || h.Type != events.KindCanary {
		t.Fatalf("got %+v, %v; want a canary", h, err)
	}
	for _, tt := range []struct {
		name     string
		observer string
		started  time.Time
		change   func(*events.Heartbeat)
		own      bool
	}{
		{"canary of this process", "api-1", started, func(*events.Heartbeat) {}, true},
		{"canary of another API server", "api-2", started, func(*events.Heartbeat) {}, false},
		{"canary of an earlier process", "api-1", started.Add(time.Second), func(*events.Heartbeat) {}, false},
		{"a heartbeat with the same numbers", "api-1", started, func(h *events.Heartbeat) { h.Type = events.KindHeartbeat }, false},
		{"a time more than a century after the start", "api-1", started, func(h *events.Heartbeat) { h.Seq = 1 << 63 }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := h
			tt.change(&c)
			at, own := c.CanarySent(tt.observer, tt.started)
			if own != tt.own || own && !at.Equal(sent) {
				t.Errorf("got %v, %v; want %v, %v", at, own, sent, tt.own)
			}
		})
	}
}

func TestCanaryIsNotAValidHeartbeat(t *testing.T) {
	body, err := events.EncodeCanary("api-1", time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h, err := events.DecodeHeartbeat(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Validate(); err == nil {
		t.Error("a canary is valid as a heartbeat")
	}
}
