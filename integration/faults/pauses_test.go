package faults

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// TestAPIServerStands is a pause of the API server itself, which must not pass for the silence of others.
func TestAPIServerStands(t *testing.T) {
	t.Parallel()
	for _, lasts := range []time.Duration{6 * time.Second, 15 * time.Second, time.Minute} {
		name := fmt.Sprintf("for %v", lasts)
		t.Run(name, func(t *testing.T) {
			if lasts > 15*time.Second {
				harness.SkipUnlessLong(t)
			}
			t.Parallel()
			b := newBrokerSite(t)
			b.api.Signal(syscall.SIGSTOP)
			fixture.Sleep(lasts)
			b.api.Signal(syscall.SIGCONT)
			b.api.Await(t, 5*time.Second, "it answers", b.api.Live)
			fixture.Sleep(time.Second) // four ticks
			harness.AtMost(t, "after "+name+": expired by the first ticks", b.api.Expired(t), 0)
			fixture.Sleep(harness.SettleTime)
			b.NoFalseExpiries("API server stands "+name, b.api)
			b.poller.CheckUninterrupted(t, "API server stands "+name)
		})
	}
}

// TestAPIServerStarves leaves the API server a tenth of the time.
func TestAPIServerStarves(t *testing.T) {
	t.Parallel()
	const works, stands = 10 * time.Millisecond, 90 * time.Millisecond
	b := newBrokerSite(t)
	b.poller.Stop() // it would take most of what is left
	for end := time.Now().Add(harness.ShortOrLong(30*time.Second, 2*time.Minute)); time.Now().Before(end); {
		b.api.Signal(syscall.SIGSTOP)
		fixture.Sleep(stands)
		b.api.Signal(syscall.SIGCONT)
		fixture.Sleep(works)
	}
	b.NoFalseExpiries("API server starves", b.api)
	fixture.Sleep(harness.SettleTime)
	b.NoFalseExpiries("API server starved", b.api)
	if !b.api.Lists(b.Servers...) {
		t.Error("a server is missing in the list")
	}
}
