package faults

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// A pause of the API server must not count as silence of the servers.
func TestAPIServerPaused(t *testing.T) {
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
			b.NoFalseExpiries("API server paused "+name, b.api)
			b.poller.CheckUninterrupted(t, "API server paused "+name)
		})
	}
}

// The API server gets a tenth of the CPU time.
func TestAPIServerGetsTenthOfCPU(t *testing.T) {
	t.Parallel()
	const running, paused = 10 * time.Millisecond, 90 * time.Millisecond
	b := newBrokerSite(t)
	b.poller.Stop() // its requests would take most of the CPU time
	for end := time.Now().Add(harness.ShortOrLong(30*time.Second, 2*time.Minute)); time.Now().Before(end); {
		b.api.Signal(syscall.SIGSTOP)
		fixture.Sleep(paused)
		b.api.Signal(syscall.SIGCONT)
		fixture.Sleep(running)
	}
	b.NoFalseExpiries("API server with a tenth of the CPU", b.api)
	fixture.Sleep(harness.SettleTime)
	b.NoFalseExpiries("API server with all of the CPU again", b.api)
	if !b.api.Lists(b.Servers...) {
		t.Error("a live server is missing in the list")
	}
}
