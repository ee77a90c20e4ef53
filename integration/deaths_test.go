package integration

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
)

func TestKilledServerIsGone(t *testing.T) {
	t.Parallel()
	const (
		kills = 24
		limit = 8500 * time.Millisecond
		apart = 270 * time.Millisecond // no part of an interval, so that each dies at another moment of its own
	)
	s := newSite(t, 2)
	a := s.api("api-1")
	ids, servers := s.dataServers("victim", kills)
	s.fleet("other", 100) // those that die are few among many
	s.calm(a)
	for i, server := range servers {
		s.witness.dies(ids[i])
		server.kill()
		pass(apart)
	}
	delays := s.witness.delaysOf(t, 15*time.Second, events.TypeExpired, ids)
	rowOf(t, "gone after SIGKILL", delays, 99, limit)
	s.noFalse("SIGKILL of others", a)
}

// A process that is stopped takes connections and never answers; a host that is gone answers nothing at all.
func TestHungServerIsGone(t *testing.T) {
	t.Parallel()
	const (
		each  = 4
		limit = 10500 * time.Millisecond
	)
	s := newSite(t, 2)
	a := s.api("api-1")
	stopped, servers := s.dataServers("stopped", each)
	var lost []string
	for i := range each {
		lost = append(lost, fmt.Sprintf("lost-%02d", i))
		servers = append(servers, s.dataServer(lost[i], "127.0.0.1:0", "--dataserver.advertise", blackHole(t)))
	}
	s.fleet("other", 100)
	s.calm(a)
	for i, id := range slices.Concat(stopped, lost) {
		s.witness.dies(id)
		if i < each {
			servers[i].signal(syscall.SIGSTOP)
		} else {
			servers[i].kill()
		}
		pass(650 * time.Millisecond) // all of them are an interval
	}
	rowOf(t, "gone after SIGSTOP", s.witness.delaysOf(t, 15*time.Second, events.TypeExpired, stopped), 99, limit)
	rowOf(t, "gone in a black hole", s.witness.delaysOf(t, 15*time.Second, events.TypeExpired, lost), 99, limit)
	s.noFalse("hung servers", a)
}

func TestServerThatLeavesIsGoneAtOnce(t *testing.T) { // not parallel: 300 ms are few
	const limit = 300 * time.Millisecond
	s := newSite(t, 2)
	a := s.api("api-1")
	ids, servers := s.dataServers("leaver", 20)
	a.await(t, 20*time.Second, "every server is listed", func() bool { return a.lists(ids...) })
	for i, server := range servers {
		s.witness.dies(ids[i])
		server.signal(syscall.SIGTERM)
		pass(20 * time.Millisecond)
	}
	rowOf(t, "left after SIGTERM", s.witness.delaysOf(t, 5*time.Second, events.TypeLeft, ids), 99, limit)
	s.noFalse("SIGTERM", a)
}

func TestRestartedServerIsReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2)
	a := s.api("api-1")
	s.fleet("other", 30)
	const each = 5
	var ids, addrs []string
	var servers []*process
	for i := range each {
		ids, addrs = append(ids, fmt.Sprintf("again-%d", i)), append(addrs, freeAddr(t))
		servers = append(servers, s.dataServer(ids[i], addrs[i]))
	}
	s.calm(a)
	for i, server := range servers {
		server.kill()
		pass(500 * time.Millisecond)
		s.dataServer(ids[i], addrs[i])
	}
	pass(aftermath)
	for _, id := range ids {
		if told := s.witness.of(events.TypeReplaced, id); len(told) != 1 {
			t.Errorf("%s was replaced %d times, want once", id, len(told))
		}
		if told := s.witness.of(events.TypeRegistered, id); len(told) != 2 {
			t.Errorf("%s was registered %d times, want twice", id, len(told))
		}
	}
	s.noFalse("restart on the same address", a)
}
