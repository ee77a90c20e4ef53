package app_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/events"
)

func TestEventsWaitForABroker(t *testing.T) {
	addr := freeAddress(t)
	a := mustRun(t, quick(addr))
	const servers = 50
	for i := range servers {
		a.observe(events.KindHeartbeat, i, 1)
		a.observe(events.KindLeave, i, 2)
	}
	const told = 2 * servers // registered and left
	eventually(t, 5*time.Second, "all came and went", func() bool { return a.stats().Revision == told })
	// One is with the publisher, the others wait.
	if got := a.stats().Outbox; got < told-1 {
		t.Errorf("%d events wait, want %d", got, told-1)
	}

	mustNSQD(t, addr)
	heard, _ := mustListen(t, addr, events.EventTopic)
	eventually(t, 20*time.Second, "all events", func() bool { return len(heard.revisions(t)) >= told })
	if got := heard.revisions(t); !slices.Equal(got[:told], upTo(told)) { // that nsqd is heard at last may be one more
		t.Errorf("got revisions %v, want 1 to %d in turn", got, told)
	}
	if s := a.stats(); s.Outbox != 0 || s.Dropped != 0 {
		t.Errorf("got %+v, want nothing left and nothing lost", s)
	}
	if err := a.stop(); err != nil {
		t.Error(err)
	}
}

func TestAtTheStopTheOutboxIsPublished(t *testing.T) {
	nsqd := mustNSQD(t, "")
	cfg := quick(nsqd.TCPAddr())
	cfg.Registry.TTL = time.Minute // it is warming all the time: the end of that is an event of its own
	a := mustRun(t, cfg)
	heard, _ := mustListen(t, nsqd.TCPAddr(), events.EventTopic)
	client := mustClient(t, a.Addr())
	eventually(t, 5*time.Second, "ready", func() bool { return client.Ready(t.Context()) == nil })
	const told = 2000
	for i := range told / 2 {
		a.observe(events.KindHeartbeat, i, 1)
		a.observe(events.KindLeave, i, 2)
	}
	eventually(t, 5*time.Second, "all came and went", func() bool { return a.stats().Revision == told })
	left := a.stats().Outbox
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if left == 0 {
		t.Error("no event waited at the stop: nothing was tested")
	}
	eventually(t, 5*time.Second, "all events", func() bool { return len(heard.revisions(t)) >= told })
	if got := heard.revisions(t); !slices.Equal(got, upTo(told)) {
		t.Errorf("got %d revisions, want 1 to %d in turn", len(got), told)
	}
}

func TestWithoutABrokerTheStopEndsAndTellsOfTheLoss(t *testing.T) {
	for name, addr := range map[string]string{
		"refused": freeAddress(t),
		"hung":    mustBlackHole(t),
	} {
		t.Run(name, func(t *testing.T) {
			a := mustRun(t, quick(addr))
			for i := range 3 {
				a.observe(events.KindHeartbeat, i, 1)
			}
			eventually(t, 5*time.Second, "all came", func() bool { return a.stats().Revision >= 3 })
			begun := time.Now()
			err := a.stop()
			took := time.Since(begun)
			if took > 10*time.Second {
				t.Errorf("the stop took %v, want at most 10 s", took)
			}
			if err == nil || !strings.Contains(err.Error(), "outbox: ") || !strings.Contains(err.Error(), "events are lost") || !strings.Contains(err.Error(), addr) {
				t.Errorf("got %v, want one that tells of lost events and of %s", err, addr)
			}
			t.Logf("stopped in %v: %v", took, err)
		})
	}
}

// mustBlackHole is the address of an nsqd that accepts and never answers.
func mustBlackHole(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close() // when the listener is closed
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}
