package faults

import (
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// newLinkedSite returns a site of two nsqd, and the links through which the API server connects to them. Data servers connect directly.
func newLinkedSite(t *testing.T) (*brokerSite, []*fixture.Link) {
	t.Helper()
	s := harness.NewSite(t, 2)
	links := []*fixture.Link{fixture.NewLink(t, s.NSQD[0].TCP), fixture.NewLink(t, s.NSQD[1].TCP)}
	b := &brokerSite{Site: s, api: harness.StartAPIServer(t, "api-1", "--nsq.lookupd=", "--nsq.nsqd", links[0].Addr+","+links[1].Addr)}
	s.StartFleet("fleet", fleetSize)
	s.AwaitNormal(b.api)
	b.poller = harness.StartPoller(t, b.api.API, s.Servers)
	return b, links
}

func (b *brokerSite) reception(addr string) string {
	st, err := b.api.Status()
	if err != nil {
		return err.Error()
	}
	return st.Node(addr).Reception
}

const (
	silentLimit    = 2500*time.Millisecond + 250*time.Millisecond + time.Second // an nsqd is silent after 2.5 s without a message; add a tick and a canary interval
	receivingLimit = 15 * time.Second
)

// A firewall that loses its state, or a host that is lost, leaves a connection that stays open and delivers nothing. The subtests share one
// site, so they run one after the other.
func TestHalfOpenConnectionToNSQD(t *testing.T) {
	t.Parallel()
	b, links := newLinkedSite(t)
	for name, half := range map[string]fixture.Direction{"both ways": fixture.BothWays, "from nsqd": fixture.ToClient} {
		t.Run(name, func(t *testing.T) {
			if n := links[0].Silence(half); n == 0 {
				t.Fatal("no connection uses the link")
			}
			begun := time.Now()
			b.awaitReception(t, "half open", links[0], "silent", silentLimit)
			b.awaitReception(t, "half open", links[0], "receiving", receivingLimit-time.Since(begun))
			fixture.Sleep(harness.SettleTime)
			b.NoFalseExpiries("half open "+name, b.api)
			b.poller.CheckUninterrupted(t, "half open "+name)
		})
	}
	t.Run("all of them", func(t *testing.T) {
		for _, w := range links {
			w.Silence(fixture.BothWays)
		}
		begun := time.Now()
		took := b.api.Await(t, 10*time.Second, "mode blind", func() bool {
			st, err := b.api.Status()
			return err == nil && st.Mode == events.ModeBlind
		})
		harness.AtMost(t, "all half open: mode blind", took, silentLimit)
		for _, w := range links {
			b.awaitReception(t, "all half open", w, "receiving", receivingLimit-time.Since(begun))
		}
		harness.AtMost(t, "all half open: mode normal again", b.api.AwaitNormal(t, 40*time.Second, b.Servers...), 25*time.Second)
		b.NoFalseExpiries("all half open", b.api)
		b.poller.CheckUninterrupted(t, "all half open")
	})
}

// awaitReception waits until the API server reports the given reception, such as "silent", for the nsqd behind a link. It fails the test if
// that takes longer than limit.
func (b *brokerSite) awaitReception(t *testing.T, what string, w *fixture.Link, reception string, limit time.Duration) {
	t.Helper()
	begun := time.Now()
	for b.reception(w.Addr) != reception && time.Since(begun) < limit+5*time.Second {
		fixture.Sleep(20 * time.Millisecond)
	}
	if got := b.reception(w.Addr); got != reception {
		t.Errorf("%s: the reception of the nsqd is %q after %v, want %s", what, got, time.Since(begun).Round(time.Millisecond), reception)
		return
	}
	harness.AtMost(t, what+": nsqd is "+reception, time.Since(begun), limit)
}

// The subtests share one site, so they run one after the other.
func TestConnectionToNSQDFails(t *testing.T) {
	t.Parallel()
	b, links := newLinkedSite(t)
	for name, fault := range map[string]func(*testing.T, *fixture.Link){
		"refused for 8 s": func(t *testing.T, w *fixture.Link) {
			w.Refuse()
			fixture.Sleep(8 * time.Second)
			w.Accept(t)
		},
		"slow by 1 s": func(_ *testing.T, w *fixture.Link) {
			w.Delay(time.Second)
			fixture.Sleep(harness.SettleTime)
			w.Delay(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range links {
				fault(t, w)
			}
			for _, w := range links {
				took := b.api.Await(t, 20*time.Second, "connected", func() bool {
					st, err := b.api.Status()
					return err == nil && st.Node(w.Addr).Connected
				})
				harness.AtMost(t, name+": connected again", took, reconnect)
			}
			fixture.Sleep(harness.SettleTime)
			b.NoFalseExpiries(name, b.api)
			b.poller.CheckUninterrupted(t, name)
		})
	}
}
