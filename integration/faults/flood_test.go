package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// TestFloodOfBeats is one sender of 10 000 beats a second and 20 000 servers that somebody invents, next to servers that
// do as they should. It is not parallel: it wants both cores.
func TestFloodOfBeats(t *testing.T) {
	const (
		most     = 40 // on the roll
		others   = 20
		rate     = 10_000 // a second, of the one sender
		invented = 20_000
		lasts    = 10 * time.Second
		step     = 10 * time.Millisecond
		limit    = 50 * time.Millisecond
	)
	s := harness.NewSite(t, 1)
	nsqd := s.NSQD[0]
	a := s.StartAPI("api-1", fmt.Sprintf("--registry.maxservers=%d", most))
	s.StartFleet("fleet", others)
	watched := measuredServer{addr: fixture.FreeAddr(t), incarnation: time.Now().UnixMilli()}
	s.Servers = append(s.Servers, watched.id())
	a.Await(t, 20*time.Second, "every server is listed", func() bool {
		watched.beat(t, nsqd)
		return a.Lists(s.Servers...)
	})
	fixture.Sleep(3 * time.Second) // the first beats of a fleet are many

	worst, sent, made, begun := 0.0, 0, 0, time.Now()
	ticks := time.NewTicker(step)
	defer ticks.Stop()
	for n := 0; time.Since(begun) < lasts; n++ {
		<-ticks.C
		due := float64(time.Since(begun)) / float64(lasts) // the part of all that is due by now
		more, mint := int(due*rate*lasts.Seconds())-sent, int(due*invented)-made
		harness.PublishAll(t, nsqd.HTTP, events.HeartbeatTopic, more+mint, func(i int) []byte {
			if i < more {
				return harness.Heartbeat(0, sent+i+1, 10_000)
			}
			return harness.Heartbeat(1000+made+i-more, 1, 10_000)
		})
		sent, made = sent+more, made+mint
		if n%10 == 0 {
			watched.beat(t, nsqd)
		}
		if st, err := a.Status(); n%50 == 0 && err == nil {
			if lag := st.Node(nsqd.TCP).LagMS; lag != nil {
				worst = max(worst, *lag)
			} else {
				t.Fatal("the status has no lag_ms")
			}
			if on := st.Servers.Alive + st.Servers.Suspect; on > most {
				t.Errorf("%d servers are on the roll, want at most %d", on, most)
			}
		}
	}
	t.Logf("%d beats a second, %d servers invented; worst lag_ms of the status %v", int(float64(sent)/time.Since(begun).Seconds()), made, worst)
	fixture.Sleep(time.Second)
	// Of a hundred delays the worst five may be those of a busy machine; the lag of the status bounds all of them.
	harness.PercentileAtMost(t, "flood: delay of a beat of others until its event is heard", watched.delays(s.Events), 95, limit)
	harness.AtMost(t, "flood: lag_ms of the status", worst, float64(limit.Milliseconds()))
	if !a.Lists(s.Servers...) {
		t.Error("a server that was there before is missing in the list")
	}
	real := 0
	for _, id := range s.Events.FalseExpiries() {
		if strings.HasPrefix(id, "fleet") || id == watched.id() {
			real++
		}
	}
	harness.AtMost(t, "flood: servers expired that were alive", real, 0)
}

// measuredServer changes its weight with each beat, so that the event of the change tells how long the beat took.
type measuredServer struct {
	addr        string
	incarnation int64
	sent        []time.Time // by seq, from 1
}

func (w *measuredServer) id() string { return "watched" }

func (w *measuredServer) beat(tb testing.TB, nsqd *harness.Daemon) {
	tb.Helper()
	seq := len(w.sent) + 1
	w.sent = append(w.sent, time.Now())
	harness.Publish(tb, nsqd.HTTP, events.HeartbeatTopic, fmt.Sprintf(`{"v":1,"service":"data","id":%q,"addr":%q,"incarnation":%d,"seq":%d,"weight":%d}`,
		w.id(), w.addr, w.incarnation, seq, 1+seq%1000))
}

func (w *measuredServer) delays(heard *harness.EventLog) []time.Duration {
	var delays []time.Duration
	for _, s := range heard.OfServer(events.TypeUpdated, w.id()) {
		delays = append(delays, s.At.Sub(w.sent[s.Details().Server.Seq-1]))
	}
	return delays
}

// TestQueuedBeatsOfTheDeadReviveNobody has beats wait in NSQ until after their senders have expired.
func TestQueuedBeatsOfTheDeadReviveNobody(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, 1)
	a := s.StartAPI("api-1")
	s.StartFleet("fleet", 30)
	s.AwaitNormal(a)
	dead := []struct {
		id    string
		seq   int           // of the beat that waits; the one that is heard has 5
		waits time.Duration // a server that nobody can call has expired before
	}{
		{"an-earlier-beat", 4, 9500 * time.Millisecond},
		{"a-later-beat", 6, 9500 * time.Millisecond},
		{"a-later-beat-past-its-ttl", 6, 12 * time.Second},
	}
	for _, d := range dead {
		s.Events.MarkDead(d.id)
		addr, incarnation := fixture.FreeAddr(t), time.Now().UnixMilli()
		say := func(seq int, wait time.Duration) {
			url := fmt.Sprintf("http://%s/pub?topic=%s&defer=%d", s.NSQD[0].HTTP, events.HeartbeatTopic, wait.Milliseconds())
			harness.Post(t, url, fmt.Appendf(nil, `{"v":1,"service":"data","id":%q,"addr":%q,"incarnation":%d,"seq":%d,"interval_ms":5000,"ttl_ms":10000}`,
				d.id, addr, incarnation, seq))
		}
		say(5, 0)
		say(d.seq, d.waits)
	}
	for _, d := range dead {
		if _, ok := s.Events.Await(11*time.Second, events.TypeExpired, d.id); !ok {
			t.Errorf("%s did not expire", d.id)
		}
	}
	fixture.Sleep(6 * time.Second)
	for _, d := range dead {
		registered, expired := len(s.Events.OfServer(events.TypeRegistered, d.id)), len(s.Events.OfServer(events.TypeExpired, d.id))
		t.Logf("%s: registered %d times, expired %d times (once and once)", d.id, registered, expired)
		if registered != 1 || expired != 1 {
			t.Errorf("%s was registered %d times and expired %d times, want once and once", d.id, registered, expired)
		}
		if a.Lists(d.id) {
			t.Errorf("%s is on the roll again", d.id)
		}
	}
	s.NoFalseExpiries("queued beats of the dead", a)
}
