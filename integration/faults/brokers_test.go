package faults

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

const (
	fleetSize    = 36
	publishLimit = 1200 * time.Millisecond
	reconnect    = 3 * time.Second
)

// brokerSite is a site with a fleet, an API server, and a poller that watches the API server.
type brokerSite struct {
	*harness.Site
	api    *harness.APIServer
	poller *harness.Poller
}

func newBrokerSite(t *testing.T) *brokerSite {
	t.Helper()
	s := harness.NewSite(t, 3)
	b := &brokerSite{Site: s, api: s.StartAPI("api-1")}
	s.StartFleet("fleet", fleetSize)
	s.AwaitNormal(b.api)
	b.poller = harness.StartPoller(t, b.api.API, s.Servers)
	return b
}

// While one of three nsqd fails, heartbeats arrive in time through the other two nsqd. The subtests share one site, so they run one after
// the other.
func TestOneOfThreeNSQDFails(t *testing.T) {
	t.Parallel()
	b := newBrokerSite(t)
	for _, fault := range []struct {
		name string
		play func(t *testing.T, n *harness.Daemon)
	}{
		{"stopped for 15 s", func(_ *testing.T, n *harness.Daemon) {
			n.Signal(syscall.SIGSTOP)
			fixture.Sleep(15 * time.Second)
			n.Signal(syscall.SIGCONT)
		}},
		{"killed and started again", func(t *testing.T, n *harness.Daemon) {
			n.Kill()
			fixture.Sleep(5 * time.Second)
			n.Start(t)
			harness.AtMost(t, "connected again", b.awaitConnected(t, n), reconnect)
		}},
		{"killed for good", func(_ *testing.T, n *harness.Daemon) {
			n.Kill()
			fixture.Sleep(harness.SettleTime)
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			heartbeats := startHeartbeatLog(t, b.NSQDAddrs()...)
			from := time.Now()
			fault.play(t, b.NSQD[0])
			to := time.Now()
			fixture.Sleep(harness.SettleTime)
			harness.PercentileAtMost(t, fault.name+": delay of heartbeats", heartbeats.delays(from, to), 100, publishLimit)
			b.NoFalseExpiries(fault.name, b.api)
			b.poller.CheckUninterrupted(t, fault.name)
		})
	}
}

// awaitConnected waits until the API server is connected to the given nsqd, and returns how long that took.
func (b *brokerSite) awaitConnected(t *testing.T, n *harness.Daemon) time.Duration {
	t.Helper()
	return b.api.Await(t, 30*time.Second, "connected to "+n.TCP, func() bool {
		st, err := b.api.Status()
		return err == nil && st.Node(n.TCP).Connected
	})
}

func TestAllNSQDStopped(t *testing.T) {
	t.Parallel()
	for _, lasts := range []time.Duration{15 * time.Second, time.Minute} {
		name := fmt.Sprintf("for %v", lasts)
		t.Run(name, func(t *testing.T) {
			if lasts > 15*time.Second {
				harness.SkipUnlessLong(t)
			}
			t.Parallel()
			b := newBrokerSite(t)
			l := harness.StartLoad(t, harness.LoadSpec{Proxies: []string{b.api.Proxy}})
			for _, n := range b.NSQD {
				n.Signal(syscall.SIGSTOP)
			}
			fixture.Sleep(lasts)
			for _, n := range b.NSQD {
				n.Signal(syscall.SIGCONT)
			}
			harness.AtMost(t, "mode normal again", b.api.AwaitNormal(t, 40*time.Second, b.Servers...), 25*time.Second)
			l.NoFailures(t, "all nsqd stopped "+name)
			b.NoFalseExpiries("all nsqd stopped "+name, b.api)
			b.poller.CheckUninterrupted(t, "all nsqd stopped "+name)
			fixture.Eventually(t, 2*time.Second, "the modes were normal, blind and normal", func() bool {
				return b.poller.SawModes(events.ModeNormal, events.ModeBlind, events.ModeNormal)
			})
		})
	}
}

func TestRollingRestartOfNSQD(t *testing.T) {
	t.Parallel()
	b := newBrokerSite(t)
	l := harness.StartLoad(t, harness.LoadSpec{Proxies: []string{b.api.Proxy}})
	for _, n := range b.NSQD {
		n.Terminate()
		fixture.Sleep(time.Second)
		n.Start(t)
		harness.AtMost(t, "connected again", b.awaitConnected(t, n), reconnect)
		fixture.Sleep(2 * time.Second)
	}
	fixture.Sleep(harness.SettleTime)
	l.NoFailures(t, "rolling restart of nsqd")
	b.NoFalseExpiries("rolling restart of nsqd", b.api)
	b.poller.CheckUninterrupted(t, "rolling restart of nsqd")
}

// While all nsqd are down, the API server expires the servers that die, because their ports refuse connections. It expires no other server.
// When the nsqd work again, the API server publishes the events in order.
func TestServersDieWhileAllNSQDAreDown(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct {
		begin, end func(*testing.T, *harness.Daemon)
	}{
		"killed":  {func(_ *testing.T, n *harness.Daemon) { n.Kill() }, func(t *testing.T, n *harness.Daemon) { n.Start(t) }},
		"stopped": {func(_ *testing.T, n *harness.Daemon) { n.Signal(syscall.SIGSTOP) }, func(_ *testing.T, n *harness.Daemon) { n.Signal(syscall.SIGCONT) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const limit = 15 * time.Second
			s := harness.NewSite(t, 3)
			b := &brokerSite{Site: s, api: s.StartAPI("api-1")}
			ids, servers := s.StartDataServers("victim", 5)
			s.StartFleet("fleet", fleetSize)
			s.AwaitNormal(b.api)
			b.poller = harness.StartPoller(t, b.api.API, s.Servers)

			for _, n := range b.NSQD {
				fault.begin(t, n)
			}
			fixture.Sleep(4 * time.Second) // wait until the API server is blind, because it receives no message
			var died time.Time
			for i, server := range servers {
				died = s.Events.MarkDead(ids[i])
				server.Kill()
			}
			fixture.Sleep(limit)
			var took []time.Duration
			for _, id := range ids {
				at, gone := b.poller.Missing()[id]
				if !gone {
					t.Errorf("%s is still listed %v after its death", id, limit)
					continue
				}
				took = append(took, at.Sub(died))
			}
			harness.PercentileAtMost(t, "expired while no nsqd works", took, 100, limit)
			st, err := b.api.Status()
			fixture.Must(t, err)
			t.Logf("%d events wait, %d are lost", st.Outbox.Length, st.Outbox.Dropped)

			back := time.Now()
			for _, n := range b.NSQD {
				fault.end(t, n)
			}
			for _, id := range ids {
				expired, ok := s.Events.Await(20*time.Second, events.TypeExpired, id)
				if !ok {
					t.Errorf("no expired event for %s", id)
					continue
				}
				t.Logf("the expired event of %s arrived %v after nsqd was back", id, expired.At.Sub(back))
				if why := expired.Details().Cause; why != events.CauseRefused {
					t.Errorf("%s expired with the cause %s, want %s", id, why, events.CauseRefused)
				}
			}
			after := s.Events.Matching(func(e harness.LoggedEvent) bool { return !e.At.Before(back) })
			if err := inOrder(after); err != nil {
				t.Errorf("events are out of order: %v", err)
			}
			b.api.Await(t, 5*time.Second, "no event waits", func() bool {
				st, err := b.api.Status()
				return err == nil && st.Outbox.Length == 0
			})
			if st, err := b.api.Status(); err != nil || st.Outbox.Dropped > 0 {
				t.Errorf("%d events are lost (%v)", st.Outbox.Dropped, err)
			}
			fixture.Sleep(harness.SettleTime)
			b.NoFalseExpiries("all nsqd "+name, b.api)
			b.poller.CheckUninterrupted(t, "all nsqd "+name, ids...)
		})
	}
}

func TestNewNSQDIsUsed(t *testing.T) {
	t.Parallel()
	const limit = 1500 * time.Millisecond
	s := harness.NewSite(t, 1)
	a := s.StartAPI("api-1")
	var took []time.Duration
	for i := range 5 {
		addr := fmt.Sprintf("127.0.0.1:%d", 9001+i)
		n := harness.StartNSQD(t, s.Lookupd.TCP)
		begun := time.Now()
		a.Await(t, 10*time.Second, "a server that publishes through it is listed", func() bool {
			harness.Publish(t, n.HTTP, events.HeartbeatTopic, addr)
			return a.Lists(addr)
		})
		took = append(took, time.Since(begun))
	}
	harness.PercentileAtMost(t, "a new nsqd is used", took, 100, limit)
}
