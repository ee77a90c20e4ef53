package faults

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// After a pause of the API server, the registry must not expire servers whose heartbeats arrived during the pause.
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
			fixture.Sleep(time.Second) // four ticks of 250 ms
			harness.AtMost(t, "after "+name+": expired by the first ticks", b.api.Expired(t), 0)
			fixture.Sleep(harness.SettleTime)
			b.NoFalseExpiries("API server paused "+name, b.api)
			b.poller.CheckUninterrupted(t, "API server paused "+name)
		})
	}
}

// An API server that gets a tenth of the CPU time expires no live server.
func TestAPIServerGetsTenthOfCPU(t *testing.T) {
	t.Parallel()
	const running, paused = 10 * time.Millisecond, 90 * time.Millisecond
	b := newBrokerSite(t)
	b.poller.Stop() // the requests of the poller would take most of the CPU time
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
