package integration

import (
	"testing"
	"time"

	"rollcall/events"
)

// TestHalfOfTheServersDie is a fleet of 500 that ends at once, as where a rack loses its power, next to one that lives.
func TestHalfOfTheServersDie(t *testing.T) {
	t.Parallel()
	const (
		half  = 500
		limit = 20 * time.Second
	)
	s := newSite(t, 3)
	a := s.api("api-1")
	victims := s.fleet("victim", half)
	alive := s.fleet("alive", half)
	s.calm(a)
	s.witness.dies(victims.ids...)
	victims.kill()
	rowOf(t, "half of 1000 gone", s.witness.delaysOf(t, limit+10*time.Second, events.TypeExpired, victims.ids), 100, limit)
	pass(aftermath)
	s.noFalse("half of 1000 die", a)
	if !a.lists(alive.ids...) {
		t.Error("a server that lives is missing in the list")
	}
}
