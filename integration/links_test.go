package integration

import (
	"testing"
	"time"

	"rollcall/events"
)

// newWiredBrokers is a site of two nsqd that the API server reaches through wires, and the data servers directly.
func newWiredBrokers(t *testing.T) (*brokers, []*wire) {
	t.Helper()
	s := newSite(t, 2)
	wires := []*wire{newWire(t, s.nsqd[0].tcp), newWire(t, s.nsqd[1].tcp)}
	b := &brokers{site: s, api: startAPIProcess(t, "api-1", "--nsq.lookupd=", "--nsq.nsqd", wires[0].addr+","+wires[1].addr)}
	s.fleet("fleet", fleetSize)
	s.calm(b.api)
	b.look = watchAPI(t, b.api.api, s.servers)
	return b, wires
}

func (b *brokers) reception(addr string) string {
	st, err := b.api.status()
	if err != nil {
		return err.Error()
	}
	return st.node(addr).Reception
}

const (
	silentLimit    = 2500*time.Millisecond + 250*time.Millisecond + time.Second // a tick and a canary later
	receivingLimit = 15 * time.Second
)

// A connection that is open and carries nothing more is what a firewall or a host that is gone leaves behind.
func TestHalfOpenConnectionToNSQD(t *testing.T) {
	t.Parallel()
	for name, half := range map[string]direction{"both ways": both, "from nsqd": toClient} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, wires := newWiredBrokers(t)
			if n := wires[0].mute(half); n == 0 {
				t.Fatal("no connection goes through the wire")
			}
			begun := time.Now()
			b.awaitReception(t, "half open", wires[0], "silent", silentLimit)
			b.awaitReception(t, "half open", wires[0], "receiving", receivingLimit-time.Since(begun))
			pass(aftermath)
			b.noFalse("half open "+name, b.api)
			b.look.served(t, "half open "+name)
		})
	}
	t.Run("all of them", func(t *testing.T) {
		t.Parallel()
		b, wires := newWiredBrokers(t)
		for _, w := range wires {
			w.mute(both)
		}
		begun := time.Now()
		took := b.api.await(t, 10*time.Second, "mode blind", func() bool {
			st, err := b.api.status()
			return err == nil && st.Mode == events.ModeBlind
		})
		row(t, "all half open: mode blind", took, silentLimit)
		for _, w := range wires {
			b.awaitReception(t, "all half open", w, "receiving", receivingLimit-time.Since(begun))
		}
		row(t, "all half open: mode normal again", b.api.awaitCalm(t, 40*time.Second, b.servers...), 25*time.Second)
		b.noFalse("all half open", b.api)
		b.look.served(t, "all half open")
	})
}

// awaitReception adds the row of how long the API server takes to report this reception of an nsqd.
func (b *brokers) awaitReception(t *testing.T, what string, w *wire, reception string, limit time.Duration) {
	t.Helper()
	begun := time.Now()
	for b.reception(w.addr) != reception && time.Since(begun) < limit+5*time.Second {
		pass(20 * time.Millisecond)
	}
	if got := b.reception(w.addr); got != reception {
		t.Errorf("%s: the reception of the nsqd is %q %v later, want %s", what, got, time.Since(begun).Round(time.Millisecond), reception)
		return
	}
	row(t, what+": nsqd is "+reception, time.Since(begun), limit)
}

func TestLinkToNSQD(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*testing.T, *wire){
		"refused for 8 s": func(t *testing.T, w *wire) {
			w.refuse()
			pass(8 * time.Second)
			w.allow(t)
		},
		"slow by 1 s": func(_ *testing.T, w *wire) {
			w.slow(time.Second)
			pass(aftermath)
			w.slow(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, wires := newWiredBrokers(t)
			for _, w := range wires {
				fault(t, w)
			}
			for _, w := range wires {
				took := b.api.await(t, 20*time.Second, "connected", func() bool {
					st, err := b.api.status()
					return err == nil && st.node(w.addr).Connected
				})
				row(t, name+": connected again", took, reconnect)
			}
			pass(aftermath)
			b.noFalse(name, b.api)
			b.look.served(t, name)
		})
	}
}
