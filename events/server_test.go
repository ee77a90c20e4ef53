package events_test

import (
	"testing"

	"rollcall/events"
)

func TestServerKey(t *testing.T) {
	s := events.Server{Service: "data", ID: "9f0c2c5e"}
	if got := s.Key(); got != "data/9f0c2c5e" {
		t.Errorf("got %s", got)
	}
}

func TestServerHasTag(t *testing.T) {
	s := events.Server{Tags: []string{"blue", "canary"}}
	for tag, want := range map[string]bool{"blue": true, "canary": true, "Blue": false, "blu": false, "": false} {
		if got := s.HasTag(tag); got != want {
			t.Errorf("%q: %v", tag, got)
		}
	}
	if none := (events.Server{}); none.HasTag("blue") {
		t.Error("a server without tags has one")
	}
}
