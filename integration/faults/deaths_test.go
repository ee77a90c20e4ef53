package faults

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

func TestKilledServerExpires(t *testing.T) {
	t.Parallel()
	const (
		kills = 24
		limit = 8500 * time.Millisecond
		apart = 270 * time.Millisecond // no divisor of the heartbeat interval, so that the servers die at different times after their last heartbeats
	)
	s := harness.NewSite(t, 2)
	a := s.StartAPI("api-1")
	ids, servers := s.StartDataServers("victim", kills)
	s.StartFleet("other", 100) // these servers live, so that only a few of many servers die
	s.AwaitNormal(a)
	for i, server := range servers {
		s.Events.MarkDead(ids[i])
		server.Kill()
		fixture.Sleep(apart)
	}
	delays := s.Events.DelaysOf(t, 15*time.Second, events.TypeExpired, ids)
	harness.PercentileAtMost(t, "expired after SIGKILL", delays, 99, limit)
	s.NoFalseExpiries("SIGKILL of others", a)
}

// A paused process never responds, although the kernel accepts connections for it. A host that is down does not even accept connections. In
// both cases the server expires.
func TestHungServerExpires(t *testing.T) {
	t.Parallel()
	const (
		each  = 4
		limit = 10500 * time.Millisecond
	)
	s := harness.NewSite(t, 2)
	a := s.StartAPI("api-1")
	stopped, servers := s.StartDataServers("stopped", each)
	var lost []string
	for i := range each {
		lost = append(lost, fmt.Sprintf("lost-%02d", i))
		servers = append(servers, s.StartDataServer(lost[i], "127.0.0.1:0", "--dataserver.advertise", fixture.BlackHole(t)))
	}
	s.StartFleet("other", 100)
	s.AwaitNormal(a)
	for i, id := range slices.Concat(stopped, lost) {
		s.Events.MarkDead(id)
		if i < each {
			servers[i].Signal(syscall.SIGSTOP)
		} else {
			servers[i].Kill()
		}
		fixture.Sleep(650 * time.Millisecond) // 8 servers x 650 ms is about one heartbeat interval, so the deaths spread over the interval
	}
	harness.PercentileAtMost(t, "expired after SIGSTOP", s.Events.DelaysOf(t, 15*time.Second, events.TypeExpired, stopped), 99, limit)
	harness.PercentileAtMost(t, "expired in a black hole", s.Events.DelaysOf(t, 15*time.Second, events.TypeExpired, lost), 99, limit)
	s.NoFalseExpiries("hung servers", a)
}

func TestServerLeaves(t *testing.T) { // not parallel, because other tests could delay an event beyond the tight limit of 300 ms
	const limit = 300 * time.Millisecond
	s := harness.NewSite(t, 2)
	a := s.StartAPI("api-1")
	ids, servers := s.StartDataServers("leaver", 20)
	a.Await(t, 20*time.Second, "every server is listed", func() bool { return a.Lists(ids...) })
	for i, server := range servers {
		s.Events.MarkDead(ids[i])
		server.Signal(syscall.SIGTERM)
		fixture.Sleep(20 * time.Millisecond)
	}
	harness.PercentileAtMost(t, "left after SIGTERM", s.Events.DelaysOf(t, 5*time.Second, events.TypeLeft, ids), 99, limit)
	s.NoFalseExpiries("SIGTERM", a)
}

func TestRestartedServerIsReplaced(t *testing.T) {
	t.Parallel()
	s := harness.NewSite(t, 2)
	a := s.StartAPI("api-1")
	s.StartFleet("other", 30)
	const each = 5
	var ids, addrs []string
	var servers []*harness.Process
	for i := range each {
		ids, addrs = append(ids, fmt.Sprintf("again-%d", i)), append(addrs, fixture.FreeAddr(t))
		servers = append(servers, s.StartDataServer(ids[i], addrs[i]))
	}
	s.AwaitNormal(a)
	for i, server := range servers {
		server.Kill()
		fixture.Sleep(500 * time.Millisecond)
		s.StartDataServer(ids[i], addrs[i])
	}
	fixture.Sleep(harness.SettleTime)
	for _, id := range ids {
		if logged := s.Events.OfServer(events.TypeReplaced, id); len(logged) != 1 {
			t.Errorf("%s was replaced %d times, want once", id, len(logged))
		}
		if logged := s.Events.OfServer(events.TypeRegistered, id); len(logged) != 2 {
			t.Errorf("%s was registered %d times, want twice", id, len(logged))
		}
	}
	s.NoFalseExpiries("restart on the same address", a)
}
