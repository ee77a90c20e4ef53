package faults

import (
	"os"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/harness"
)

// An operator watches two servers with "rollcall watch": one stops after SIGTERM, the other is killed.
func TestServerEnds(t *testing.T) {
	const (
		tick  = 250 * time.Millisecond
		again = 250 * time.Millisecond // how long the prober waits after a refused connection, before it tries again
	)
	c := harness.NewCluster(t)
	c.StartNSQD()
	c.StartAPI("api-1", 1)
	watch := harness.NewOutput()
	harness.StartRollcall(t, watch, "watch", "--all", "-o", "json", "--nsq.lookupd", c.Lookupd.HTTPAddr())
	start := func() *harness.Process {
		return harness.StartRollcall(t, os.Stderr, "dataserver", "--log.level=error", "--nsq.lookupd", c.Lookupd.HTTPAddr(), "--dataserver.listen=127.0.0.1:0")
	}
	await := func(from int, typ events.Type, id string) (events.Transition, harness.Line, int) {
		t.Helper()
		var e events.Event
		l, i := watch.Await(t, 20*time.Second, string(typ), from, func(text string) bool {
			var err error
			e, err = events.Decode([]byte(text))
			return err == nil && e.Type() == typ && (id == "" || e.Details().Server.ID == id)
		})
		return e.Details(), l, i
	}

	stopped := start()
	registered, _, n := await(0, events.TypeRegistered, "")
	signaled := time.Now()
	stopped.Signal(syscall.SIGTERM)
	_, left, _ := await(n, events.TypeLeft, registered.Server.ID)
	t.Logf("left arrived %v after SIGTERM", left.At.Sub(signaled))
	if d := left.At.Sub(signaled); d > 300*time.Millisecond {
		t.Errorf("left arrived %v after SIGTERM, want at most 300ms", d)
	}

	killed := start()
	registered, _, n = await(n+1, events.TypeRegistered, "")
	killed.Kill()
	suspected, _, _ := await(n, events.TypeSuspected, registered.Server.ID)
	expired, arrived, _ := await(n, events.TypeExpired, registered.Server.ID)
	if why := expired.Cause; why != events.CauseRefused {
		t.Errorf("expired with the cause %s, want %s: its port is closed", why, events.CauseRefused)
	}
	for _, e := range []struct {
		name        string
		at          time.Time
		least, most time.Duration
	}{
		{"suspected", suspected.Time, 7 * time.Second, 7*time.Second + tick + 100*time.Millisecond},
		{"expired", expired.Time, 7*time.Second + again, 8500 * time.Millisecond},
		{"expired arrives", arrived.At, 7*time.Second + again, 8500 * time.Millisecond},
	} {
		after := e.at.Sub(expired.LastSeen)
		t.Logf("%s %v after the last heartbeat", e.name, after)
		// Allow 2 ms, because the times in events are rounded down to the millisecond.
		if after < e.least-2*time.Millisecond || after > e.most {
			t.Errorf("%s %v after the last heartbeat, want %v to %v", e.name, after, e.least, e.most)
		}
	}
}
