package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/events"
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
	s := newSite(t, 1)
	nsqd := s.nsqd[0]
	a := s.api("api-1", fmt.Sprintf("--registry.maxservers=%d", most))
	s.fleet("fleet", others)
	watched := watchedServer{addr: freeAddr(t), incarnation: time.Now().UnixMilli()}
	s.servers = append(s.servers, watched.id())
	a.await(t, 20*time.Second, "every server is listed", func() bool {
		watched.beat(t, nsqd)
		return a.lists(s.servers...)
	})
	pass(3 * time.Second) // the first beats of a fleet are many

	worst, sent, made, begun := 0.0, 0, 0, time.Now()
	ticks := time.NewTicker(step)
	defer ticks.Stop()
	for n := 0; time.Since(begun) < lasts; n++ {
		<-ticks.C
		due := float64(time.Since(begun)) / float64(lasts) // the part of all that is due by now
		more, mint := int(due*rate*lasts.Seconds())-sent, int(due*invented)-made
		publishAll(t, nsqd.http, events.HeartbeatTopic, more+mint, func(i int) []byte {
			if i < more {
				return beat(0, sent+i+1, 10_000)
			}
			return beat(1000+made+i-more, 1, 10_000)
		})
		sent, made = sent+more, made+mint
		if n%10 == 0 {
			watched.beat(t, nsqd)
		}
		if st, err := a.status(); n%50 == 0 && err == nil {
			if lag := st.node(nsqd.tcp).LagMS; lag != nil {
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
	pass(time.Second)
	// Of a hundred delays the worst five may be those of a busy machine; the lag of the status bounds all of them.
	rowOf(t, "flood: delay of a beat of others until its event is heard", watched.delays(s.witness), 95, limit)
	row(t, "flood: lag_ms of the status", worst, float64(limit.Milliseconds()))
	if !a.lists(s.servers...) {
		t.Error("a server that was there before is missing in the list")
	}
	real := 0
	for _, id := range s.witness.falseExpiries() {
		if strings.HasPrefix(id, "fleet") || id == watched.id() {
			real++
		}
	}
	row(t, "flood: servers expired that were alive", real, 0)
}

// watchedServer changes its weight with each beat, so that the event of the change tells how long the beat took.
type watchedServer struct {
	addr        string
	incarnation int64
	sent        []time.Time // by seq, from 1
}

func (w *watchedServer) id() string { return "watched" }

func (w *watchedServer) beat(tb testing.TB, nsqd *daemon) {
	tb.Helper()
	seq := len(w.sent) + 1
	w.sent = append(w.sent, time.Now())
	publish(tb, nsqd.http, events.HeartbeatTopic, fmt.Sprintf(`{"v":1,"service":"data","id":%q,"addr":%q,"incarnation":%d,"seq":%d,"weight":%d}`,
		w.id(), w.addr, w.incarnation, seq, 1+seq%1000))
}

func (w *watchedServer) delays(heard *witness) []time.Duration {
	var delays []time.Duration
	for _, s := range heard.of(events.TypeUpdated, w.id()) {
		delays = append(delays, s.at.Sub(w.sent[s.Details().Server.Seq-1]))
	}
	return delays
}

// TestQueuedBeatsOfTheDeadReviveNobody has beats wait in NSQ until after their senders have expired.
func TestQueuedBeatsOfTheDeadReviveNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	a := s.api("api-1")
	s.fleet("fleet", 30)
	s.calm(a)
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
		s.witness.dies(d.id)
		addr, incarnation := freeAddr(t), time.Now().UnixMilli()
		say := func(seq int, wait time.Duration) {
			url := fmt.Sprintf("http://%s/pub?topic=%s&defer=%d", s.nsqd[0].http, events.HeartbeatTopic, wait.Milliseconds())
			post(t, url, fmt.Appendf(nil, `{"v":1,"service":"data","id":%q,"addr":%q,"incarnation":%d,"seq":%d,"interval_ms":5000,"ttl_ms":10000}`,
				d.id, addr, incarnation, seq))
		}
		say(5, 0)
		say(d.seq, d.waits)
	}
	for _, d := range dead {
		if _, ok := s.witness.await(11*time.Second, events.TypeExpired, d.id); !ok {
			t.Errorf("%s did not expire", d.id)
		}
	}
	pass(6 * time.Second)
	for _, d := range dead {
		registered, expired := len(s.witness.of(events.TypeRegistered, d.id)), len(s.witness.of(events.TypeExpired, d.id))
		t.Logf("%s: registered %d times, expired %d times (once and once)", d.id, registered, expired)
		if registered != 1 || expired != 1 {
			t.Errorf("%s was registered %d times and expired %d times, want once and once", d.id, registered, expired)
		}
		if a.lists(d.id) {
			t.Errorf("%s is on the roll again", d.id)
		}
	}
	s.noFalse("queued beats of the dead", a)
}
