package app_test

import (
	"fmt"
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

// BenchmarkStop measures the stop of an API server while 50 000 events wait, and how many of them are lost because they were not published within
// the 2 s that the API server has for them. On a machine that is busy otherwise, some are lost.
func BenchmarkStop(b *testing.B) {
	for b.Loop() {
		took, lost := stopWithEvents(b, 50_000)
		b.ReportMetric(float64(took.Milliseconds()), "stop-ms")
		b.ReportMetric(float64(lost), "lost-events")
	}
	b.ReportMetric(0, "ns/op") // do not report ns/op, which would include the registrations
}

// stopWithEvents stops an API server while this number of events wait. It returns how long the stop took, and how many events the API server
// reports as lost. It fails if an event is missing that the API server does not report.
func stopWithEvents(b *testing.B, emitted uint64) (took time.Duration, lost int) {
	b.Helper()
	nsqd := fixture.NSQD(b, embednsq.NSQDConfig{MemQueueSize: int64(emitted)})
	link := fixture.NewLink(b, nsqd.TCPAddr())
	cfg := quick(link.Addr)
	cfg.Registry.TTL = time.Minute // the API server stays in the mode "warming": the end of warming would be another event
	a := mustRun(b, cfg)
	heard, _ := mustListenWith(b, nsqd.TCPAddr(), events.EventTopic, 1000)
	link.Refuse()
	for i := range int(emitted / 2) {
		a.observe(events.KindHeartbeat, i, 1)
		a.observe(events.KindLeave, i, 2)
	}
	fixture.Eventually(b, 20*time.Second, "all came and went", func() bool { return a.stats().Revision >= emitted })
	if left := a.stats().Outbox; left < int(emitted)-batch {
		b.Errorf("%d events wait at the stop, want nearly all of %d", left, emitted)
	}
	link.Accept(b)
	begun := time.Now()
	err := a.stop()
	took = time.Since(begun)
	if err != nil {
		if _, scan := fmt.Sscanf(err.Error(), "outbox: %d events are lost", &lost); scan != nil {
			b.Fatal(err)
		}
	}
	published := func() []uint64 { return slices.Compact(slices.Sorted(slices.Values(heard.revisions(b)))) }
	fixture.Eventually(b, 60*time.Second, "all published events", func() bool { return heard.len() >= int(emitted)-lost && len(published()) >= int(emitted)-lost })
	if lost == 0 && !slices.Equal(published(), upTo(emitted)) {
		b.Errorf("got %d revisions, want 1 to %d", len(published()), emitted)
	}
	return took, lost
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
