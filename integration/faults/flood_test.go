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

// One server publishes 10 000 heartbeats a second, and another sender publishes heartbeats of 20 000 servers that do not exist. The
// heartbeats of other servers must not be late. The test is not parallel, because it keeps both cores of a small machine busy.
func TestHeartbeatFlood(t *testing.T) {
	const (
		most     = 40 // value of the flag --registry.maxservers, the most servers that the registry holds
		others   = 20
		rate     = 10_000 // heartbeats a second from one server
		invented = 20_000
		lasts    = 10 * time.Second
		step     = 10 * time.Millisecond
		limit    = 50 * time.Millisecond
	)
	s := harness.NewSite(t, 1)
	nsqd := s.NSQD[0]
	a := s.StartAPI("api-1", fmt.Sprintf("--registry.maxservers=%d", most))
	s.StartFleet("fleet", others)
	measured := measuredServer{addr: fixture.FreeAddr(t), incarnation: time.Now().UnixMilli()}
	s.Servers = append(s.Servers, measured.id())
	a.Await(t, 20*time.Second, "every server is listed", func() bool {
		measured.publish(t, nsqd)
		return a.Lists(s.Servers...)
	})
	fixture.Sleep(3 * time.Second) // wait, because the servers of a fleet publish more heartbeats in their first seconds than later

	worst, sent, made, begun := 0.0, 0, 0, time.Now()
	ticks := time.NewTicker(step)
	defer ticks.Stop()
	for n := 0; time.Since(begun) < lasts; n++ {
		<-ticks.C
		due := float64(time.Since(begun)) / float64(lasts) // share of all messages that should have been sent by now
		more, mint := int(due*rate*lasts.Seconds())-sent, int(due*invented)-made
		harness.PublishAll(t, nsqd.HTTP, events.HeartbeatTopic, more+mint, func(i int) []byte {
			if i < more {
				return harness.Heartbeat(0, sent+i+1, 10_000)
			}
			return harness.Heartbeat(1000+made+i-more, 1, 10_000)
		})
		sent, made = sent+more, made+mint
		if n%10 == 0 {
			measured.publish(t, nsqd)
		}
		if st, err := a.Status(); n%50 == 0 && err == nil {
			if lag := st.Node(nsqd.TCP).LagMS; lag != nil {
				worst = max(worst, *lag)
			} else {
				t.Fatal("the status has no lag_ms")
			}
			if on := st.Servers.Alive + st.Servers.Suspect; on > most {
				t.Errorf("%d servers are listed, want at most %d", on, most)
			}
		}
	}
	t.Logf("%d heartbeats a second, %d invented servers; greatest lag_ms in the status %v", int(float64(sent)/time.Since(begun).Seconds()), made, worst)
	fixture.Sleep(time.Second)
	// The limit holds for 95 % of the events, because a busy machine may delay the others. The greatest lag_ms in the status must not
	// exceed the limit either.
	harness.PercentileAtMost(t, "flood: delay from a heartbeat of another server to its event", measured.delays(s.Events), 95, limit)
	harness.AtMost(t, "flood: greatest lag_ms in the status", worst, float64(limit.Milliseconds()))
	if !a.Lists(s.Servers...) {
		t.Error("a server from before the flood is missing in the list")
	}
	expired := 0
	for _, id := range s.Events.FalseExpiries() {
		if strings.HasPrefix(id, "fleet") || id == measured.id() {
			expired++
		}
	}
	harness.AtMost(t, "flood: live servers expired", expired, 0)
}

// measuredServer is a server that changes its weight in each heartbeat, so that each heartbeat causes an updated event. The arrival of the
// event shows the delay of the heartbeat.
type measuredServer struct {
	addr        string
	incarnation int64
	sent        []time.Time // when each heartbeat was sent; the heartbeat with seq n is at index n-1
}

func (m *measuredServer) id() string { return "measured" }

func (m *measuredServer) publish(tb testing.TB, nsqd *harness.Daemon) {
	tb.Helper()
	seq := len(m.sent) + 1
	m.sent = append(m.sent, time.Now())
	harness.Publish(tb, nsqd.HTTP, events.HeartbeatTopic, fmt.Sprintf(`{"v":1,"service":"data","id":%q,"addr":%q,"incarnation":%d,"seq":%d,"weight":%d}`,
		m.id(), m.addr, m.incarnation, seq, 1+seq%1000))
}

func (m *measuredServer) delays(log *harness.EventLog) []time.Duration {
	var delays []time.Duration
	for _, s := range log.OfServer(events.TypeUpdated, m.id()) {
		delays = append(delays, s.At.Sub(m.sent[s.Details().Server.Seq-1]))
	}
	return delays
}

// A heartbeat that NSQ delivers after the server has expired does not register the server again.
func TestStaleHeartbeatsDoNotRegister(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, 1)
	a := s.StartAPI("api-1")
	s.StartFleet("fleet", 30)
	s.AwaitNormal(a)
	dead := []struct {
		id    string
		seq   int           // seq of the heartbeat that NSQ delivers late; the heartbeat that registers the server has seq 5
		waits time.Duration // how late NSQ delivers the late heartbeat; the server has expired by then
	}{
		{"earlier-heartbeat", 4, 9500 * time.Millisecond},
		{"later-heartbeat", 6, 9500 * time.Millisecond},
		{"later-heartbeat-past-its-ttl", 6, 12 * time.Second},
	}
	for _, d := range dead {
		s.Events.MarkDead(d.id)
		addr, incarnation := fixture.FreeAddr(t), time.Now().UnixMilli()
		publish := func(seq int, wait time.Duration) {
			url := fmt.Sprintf("http://%s/pub?topic=%s&defer=%d", s.NSQD[0].HTTP, events.HeartbeatTopic, wait.Milliseconds())
			harness.Post(t, url, fmt.Appendf(nil, `{"v":1,"service":"data","id":%q,"addr":%q,"incarnation":%d,"seq":%d,"interval_ms":5000,"ttl_ms":10000}`,
				d.id, addr, incarnation, seq))
		}
		publish(5, 0)
		publish(d.seq, d.waits)
	}
	for _, d := range dead {
		if _, ok := s.Events.Await(11*time.Second, events.TypeExpired, d.id); !ok {
			t.Errorf("%s did not expire", d.id)
		}
	}
	fixture.Sleep(6 * time.Second)
	for _, d := range dead {
		registered, expired := len(s.Events.OfServer(events.TypeRegistered, d.id)), len(s.Events.OfServer(events.TypeExpired, d.id))
		t.Logf("%s: registered %d times, expired %d times (want once each)", d.id, registered, expired)
		if registered != 1 || expired != 1 {
			t.Errorf("%s was registered %d times and expired %d times, want once each", d.id, registered, expired)
		}
		if a.Lists(d.id) {
			t.Errorf("%s is listed again", d.id)
		}
	}
	s.NoFalseExpiries("stale heartbeats", a)
}
