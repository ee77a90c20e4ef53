package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
)

const (
	fleetSize    = 36
	publishLimit = 1200 * time.Millisecond
	reconnect    = 3 * time.Second
)

// brokers is a site of three nsqd with a fleet, and what watches it, all of it calm.
type brokers struct {
	*site
	api  *apiProcess
	look *lookout
}

func newBrokers(t *testing.T) *brokers {
	t.Helper()
	s := newSite(t, 3)
	b := &brokers{site: s, api: s.api("api-1")}
	s.fleet("fleet", fleetSize)
	s.calm(b.api)
	b.look = watchAPI(t, b.api.api, s.servers)
	return b
}

// TestOneOfThreeNSQD is what happens to one while the others serve.
func TestOneOfThreeNSQD(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(t *testing.T, b *brokers){
		"stopped for 15 s": func(_ *testing.T, b *brokers) {
			b.nsqd[0].signal(syscall.SIGSTOP)
			pass(15 * time.Second)
			b.nsqd[0].signal(syscall.SIGCONT)
		},
		"killed for ever": func(_ *testing.T, b *brokers) {
			b.nsqd[0].kill()
			pass(aftermath)
		},
		"killed and started again": func(t *testing.T, b *brokers) {
			b.nsqd[0].kill()
			pass(5 * time.Second)
			b.nsqd[0].start(t)
			row(t, "connected again", b.awaitConnected(t, b.nsqd[0]), reconnect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBrokers(t)
			beats := hearBeats(t, b.tcp()...)
			from := time.Now()
			fault(t, b)
			to := time.Now()
			pass(aftermath)
			rowOf(t, name+": beats delayed", beats.delays(from, to), 100, publishLimit)
			b.noFalse(name, b.api)
			b.look.served(t, name)
		})
	}
}

// awaitConnected returns how long it took.
func (b *brokers) awaitConnected(t *testing.T, n *daemon) time.Duration {
	t.Helper()
	return b.api.await(t, 30*time.Second, "connected to "+n.tcp, func() bool {
		st, err := b.api.status()
		return err == nil && st.node(n.tcp).Connected
	})
}

func TestAllNSQDStopped(t *testing.T) {
	t.Parallel()
	for _, lasts := range []time.Duration{15 * time.Second, time.Minute} {
		name := fmt.Sprintf("for %v", lasts)
		t.Run(name, func(t *testing.T) {
			if lasts > 15*time.Second {
				longOnly(t)
			}
			t.Parallel()
			b := newBrokers(t)
			l := startLoad(t, loadSpec{Proxies: []string{b.api.proxy}})
			for _, n := range b.nsqd {
				n.signal(syscall.SIGSTOP)
			}
			pass(lasts)
			for _, n := range b.nsqd {
				n.signal(syscall.SIGCONT)
			}
			row(t, "mode normal again", b.api.awaitCalm(t, 40*time.Second, b.servers...), 25*time.Second)
			l.faultless(t, "all nsqd stopped "+name)
			b.noFalse("all nsqd stopped "+name, b.api)
			b.look.served(t, "all nsqd stopped "+name)
			eventually(t, 2*time.Second, "the modes were normal, blind and normal", func() bool {
				return b.look.went(events.ModeNormal, events.ModeBlind, events.ModeNormal)
			})
		})
	}
}

func TestRollingRestartOfNSQD(t *testing.T) {
	t.Parallel()
	b := newBrokers(t)
	l := startLoad(t, loadSpec{Proxies: []string{b.api.proxy}})
	for _, n := range b.nsqd {
		n.end()
		pass(time.Second)
		n.start(t)
		row(t, "connected again", b.awaitConnected(t, n), reconnect)
		pass(2 * time.Second)
	}
	pass(aftermath)
	l.faultless(t, "rolling restart of nsqd")
	b.noFalse("rolling restart of nsqd", b.api)
	b.look.served(t, "rolling restart of nsqd")
}

// TestDeathsWhileNoNSQDServes: who dies meanwhile leaves the list because nobody listens on its address, nobody else
// does, and whoever subscribed hears of it when a broker is back, in order.
func TestDeathsWhileNoNSQDServes(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]struct{ begin, end func(*testing.T, *daemon) }{
		"killed":  {func(_ *testing.T, n *daemon) { n.kill() }, func(t *testing.T, n *daemon) { n.start(t) }},
		"stopped": {func(_ *testing.T, n *daemon) { n.signal(syscall.SIGSTOP) }, func(_ *testing.T, n *daemon) { n.signal(syscall.SIGCONT) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const limit = 15 * time.Second
			s := newSite(t, 3)
			b := &brokers{site: s, api: s.api("api-1")}
			ids, servers := s.dataServers("victim", 5)
			s.fleet("fleet", fleetSize)
			s.calm(b.api)
			b.look = watchAPI(t, b.api.api, s.servers)

			for _, n := range b.nsqd {
				fault.begin(t, n)
			}
			pass(4 * time.Second) // it is blind
			var died time.Time
			for i, server := range servers {
				died = s.witness.dies(ids[i])
				server.kill()
			}
			pass(limit)
			var took []time.Duration
			for _, id := range ids {
				at, gone := b.look.gone()[id]
				if !gone {
					t.Errorf("%s is still listed %v after its end", id, limit)
					continue
				}
				took = append(took, at.Sub(died))
			}
			rowOf(t, "off the list without a broker", took, 100, limit)
			st, err := b.api.status()
			must(t, err)
			t.Logf("%d events wait, %d are lost", st.Outbox.Length, st.Outbox.Dropped)

			back := time.Now()
			for _, n := range b.nsqd {
				fault.end(t, n)
			}
			for _, id := range ids {
				told, ok := s.witness.await(20*time.Second, events.TypeExpired, id)
				if !ok {
					t.Errorf("no event tells of the end of %s", id)
					continue
				}
				t.Logf("the end of %s is told %v after the brokers were back", id, told.at.Sub(back))
				if why := told.Details().Cause; why != events.CauseRefused {
					t.Errorf("%s expired for the reason %s, want %s", id, why, events.CauseRefused)
				}
			}
			told := s.witness.told(func(e sighting) bool { return !e.at.Before(back) })
			if err := inOrder(told); err != nil {
				t.Errorf("events come out of order: %v", err)
			}
			b.api.await(t, 5*time.Second, "no event waits", func() bool {
				st, err := b.api.status()
				return err == nil && st.Outbox.Length == 0
			})
			if st, err := b.api.status(); err != nil || st.Outbox.Dropped > 0 {
				t.Errorf("%d events are lost (%v)", st.Outbox.Dropped, err)
			}
			pass(aftermath)
			b.noFalse("all nsqd "+name, b.api)
			b.look.served(t, "all nsqd "+name, ids...)
		})
	}
}

func TestNewNSQDIsHeard(t *testing.T) {
	t.Parallel()
	const limit = 1500 * time.Millisecond
	s := newSite(t, 1)
	a := s.api("api-1")
	var took []time.Duration
	for i := range 5 {
		addr := fmt.Sprintf("127.0.0.1:%d", 9001+i)
		n := startNSQD(t, s.lookupd.tcp)
		begun := time.Now()
		a.await(t, 10*time.Second, "a server that beats through it is listed", func() bool {
			publish(t, n.http, events.HeartbeatTopic, addr)
			return a.lists(addr)
		})
		took = append(took, time.Since(begun))
	}
	rowOf(t, "a new nsqd is heard", took, 100, limit)
}
