package faults

import (
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// All 500 servers of a fleet die at the same moment, as in a power failure. No server of a second fleet expires.
func TestHalfOfServersDie(t *testing.T) {
	t.Parallel()
	const (
		half  = 500
		limit = 20 * time.Second
	)
	s := harness.NewSite(t, 3)
	a := s.StartAPI("api-1")
	victims := s.StartFleet("victim", half)
	alive := s.StartFleet("alive", half)
	s.AwaitNormal(a)
	s.Events.MarkDead(victims.IDs...)
	victims.Kill()
	harness.PercentileAtMost(t, "half of 1000 servers expired", s.Events.DelaysOf(t, limit+10*time.Second, events.TypeExpired, victims.IDs), 100, limit)
	fixture.Sleep(harness.SettleTime)
	s.NoFalseExpiries("half of 1000 die", a)
	if !a.Lists(alive.IDs...) {
		t.Error("a live server is missing in the list")
	}
}
