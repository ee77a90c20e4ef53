package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestAPIServerStands is a pause of the API server itself, which must not pass for the silence of others.
func TestAPIServerStands(t *testing.T) {
	t.Parallel()
	for _, lasts := range []time.Duration{6 * time.Second, 15 * time.Second, time.Minute} {
		name := fmt.Sprintf("for %v", lasts)
		t.Run(name, func(t *testing.T) {
			if lasts > 15*time.Second {
				longOnly(t)
			}
			t.Parallel()
			b := newBrokers(t)
			b.api.signal(syscall.SIGSTOP)
			pass(lasts)
			b.api.signal(syscall.SIGCONT)
			b.api.await(t, 5*time.Second, "it answers", b.api.live)
			pass(time.Second) // four ticks
			row(t, "after "+name+": expired by the first ticks", b.api.expired(t), 0)
			pass(aftermath)
			b.noFalse("API server stands "+name, b.api)
			b.look.served(t, "API server stands "+name)
		})
	}
}

// TestAPIServerStarves leaves the API server a tenth of the time.
func TestAPIServerStarves(t *testing.T) {
	t.Parallel()
	const works, stands = 10 * time.Millisecond, 90 * time.Millisecond
	b := newBrokers(t)
	b.look.stop() // it would take most of what is left
	for end := time.Now().Add(lasting(30*time.Second, 2*time.Minute)); time.Now().Before(end); {
		b.api.signal(syscall.SIGSTOP)
		pass(stands)
		b.api.signal(syscall.SIGCONT)
		pass(works)
	}
	b.noFalse("API server starves", b.api)
	pass(aftermath)
	b.noFalse("API server starved", b.api)
	if !b.api.lists(b.servers...) {
		t.Error("a server is missing in the list")
	}
}
