package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/embednsq"
)

// batch is the maximum number of events that the registry hands to the publisher at once.
const batch = 256

func TestEventsWaitForBroker(t *testing.T) {
	addr := fixture.FreeAddr(t)
	a := mustRun(t, quick(addr))
	const servers = 500
	for i := range servers {
		a.observe(events.KindHeartbeat, i, 1)
		a.observe(events.KindLeave, i, 2)
	}
	const emitted = 2 * servers // each server is registered and leaves: two events
	fixture.Eventually(t, 5*time.Second, "all came and went", func() bool { return a.stats().Revision == emitted })
	// The publisher tries to publish one batch; the other events wait in the outbox of the registry.
	if got := a.stats().Outbox; got < emitted-batch {
		t.Errorf("%d events wait, want at least %d", got, emitted-batch)
	}

	fixture.NSQD(t, embednsq.NSQDConfig{TCPAddress: addr})
	heard, _ := mustListen(t, addr, events.EventTopic)
	fixture.Eventually(t, 20*time.Second, "all events", func() bool { return len(heard.revisions(t)) >= emitted })
	if got := heard.revisions(t); !slices.Equal(got[:emitted], upTo(emitted)) { // an event about a change of the mode may follow
		t.Errorf("got revisions %v, want 1 to %d in turn", got, emitted)
	}
	if s := a.stats(); s.Outbox != 0 || s.Dropped != 0 {
		t.Errorf("got %+v, want nothing left and nothing lost", s)
	}
	if err := a.stop(); err != nil {
		t.Error(err)
	}
}

func TestStopPublishesWaitingEvents(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	link := fixture.NewLink(t, nsqd.TCPAddr())
	link.Delay(25 * time.Millisecond) // so that events wait at the stop
	cfg := quick(link.Addr)
	cfg.Registry.TTL = time.Minute // the API server stays in the mode "warming": the end of warming would be another event
	a := mustRun(t, cfg)
	heard, _ := mustListen(t, nsqd.TCPAddr(), events.EventTopic)
	client := mustClient(t, a.Addr())
	fixture.Eventually(t, 5*time.Second, "ready", func() bool { return client.Ready(t.Context()) == nil })
	const emitted = 2000
	for i := range emitted / 2 {
		a.observe(events.KindHeartbeat, i, 1)
		a.observe(events.KindLeave, i, 2)
	}
	fixture.Eventually(t, 5*time.Second, "all came and went", func() bool { return a.stats().Revision == emitted })
	left := a.stats().Outbox
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if left == 0 {
		t.Error("no event waited at the stop: nothing was tested")
	}
	fixture.Eventually(t, 5*time.Second, "all events", func() bool { return len(heard.revisions(t)) >= emitted })
	if got := heard.revisions(t); !slices.Equal(got, upTo(emitted)) {
		t.Errorf("got %d revisions, want 1 to %d in turn", len(got), emitted)
	}
}

// BenchmarkStop measures the stop of an API server while 50 000 events wait. It fails unless all of them are published within the 2 s that
// the API server has for them.
func BenchmarkStop(b *testing.B) {
	for b.Loop() {
		took := stopWithEvents(b, 50_000)
		b.ReportMetric(float64(took.Milliseconds()), "stop-ms")
	}
	b.ReportMetric(0, "ns/op") // do not report ns/op, which would include the registrations
}

// stopWithEvents stops an API server while this number of events wait, and fails if one of them is lost. It returns how long the stop took.
func stopWithEvents(t testing.TB, emitted uint64) (took time.Duration) {
	t.Helper()
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{MemQueueSize: int64(emitted)})
	link := fixture.NewLink(t, nsqd.TCPAddr())
	cfg := quick(link.Addr)
	cfg.Registry.TTL = time.Minute // the API server stays in the mode "warming": the end of warming would be another event
	a := mustRun(t, cfg)
	heard, _ := mustListenWith(t, nsqd.TCPAddr(), events.EventTopic, 1000)
	link.Refuse()
	for i := range int(emitted / 2) {
		a.observe(events.KindHeartbeat, i, 1)
		a.observe(events.KindLeave, i, 2)
	}
	fixture.Eventually(t, 20*time.Second, "all came and went", func() bool { return a.stats().Revision >= emitted })
	if left := a.stats().Outbox; left < int(emitted)-batch {
		t.Errorf("%d events wait at the stop, want nearly all of %d", left, emitted)
	}
	link.Accept(t)
	begun := time.Now()
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	took = time.Since(begun)
	fixture.Eventually(t, 60*time.Second, "all events", func() bool { return heard.len() >= int(emitted) })
	if got := slices.Sorted(slices.Values(heard.revisions(t))); !slices.Equal(got, upTo(emitted)) {
		t.Errorf("got %d revisions, want 1 to %d", len(got), emitted)
	}
	return took
}

func TestStopWithoutBrokerReportsLostEvents(t *testing.T) {
	for name, addr := range map[string]string{
		"refused": fixture.FreeAddr(t),
		"hung":    fixture.Silent(t),
	} {
		t.Run(name, func(t *testing.T) {
			a := mustRun(t, quick(addr))
			for i := range 3 {
				a.observe(events.KindHeartbeat, i, 1)
			}
			fixture.Eventually(t, 5*time.Second, "all came", func() bool { return a.stats().Revision >= 3 })
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
