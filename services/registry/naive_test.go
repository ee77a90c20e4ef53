package registry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"rollcall/events"
)

// naive is the registry as one would write it without regard to cost: a map, and a sweep over all of it at each tick. It is
// the oracle of TestModel. Tombstones are not bounded here and no TTL is longer than their life; times count from the start.
type naive struct {
	max      int // servers
	servers  map[key]*naiveServer
	stones   map[key]naiveStone
	revision int
	events   []string
}

type naiveServer struct {
	key
	addr, zone  string
	incarnation int64
	newest      uint64 // ordinal
	stamp, ttl  time.Duration
	weight      int
	suspect     bool
}

type naiveStone struct {
	incarnation int64
	newest      uint64
	final       bool
	olderUntil  time.Duration // a TTL after the end
	until       time.Duration
}

// word is a heartbeat or a leave in the terms of the model.
type word struct {
	key
	leave       bool
	addr, zone  string
	incarnation int64
	ordinal     uint64 // seq, or stamp
	delay, ttl  time.Duration
	weight      int
}

func (n *naive) tell(s *naiveServer, what string) {
	n.revision++
	state := events.StateAlive
	switch {
	case s.suspect:
		state = events.StateSuspect
	case s.weight == 0:
		state = events.StateDraining
	}
	n.events = append(n.events, fmt.Sprintf("#%d %s %s/%s inc=%d %s %s", n.revision, what, s.service, s.id, s.incarnation, state, s.addr))
}

func (n *naive) end(s *naiveServer, what string, final bool, now time.Duration) {
	n.mark(s.key, naiveStone{s.incarnation, s.newest, final, now + s.ttl, now + time.Hour}, now)
	delete(n.servers, s.key)
	n.tell(s, what)
}

// mark remembers the end of an incarnation, unless a newer one ended within its TTL.
func (n *naive) mark(k key, stone naiveStone, now time.Duration) {
	old, ok := n.stones[k]
	if ok && old.incarnation > stone.incarnation && now < old.olderUntil {
		return
	}
	if ok && old.incarnation == stone.incarnation {
		stone.newest = max(stone.newest, old.newest)
	}
	n.stones[k] = stone
}

func (n *naive) hear(w word, now time.Duration) {
	s := n.servers[w.key]
	switch {
	case w.leave:
		n.leave(w, s, now)
	case w.delay >= w.ttl:
	case s == nil || w.incarnation > s.incarnation:
		n.register(w, s, now)
	case w.incarnation == s.incarnation:
		n.renew(w, s, now)
	}
}

func (n *naive) leave(w word, s *naiveServer, now time.Duration) {
	switch {
	case s != nil && w.incarnation == s.incarnation:
		if w.incarnation > 0 || w.ordinal >= s.newest {
			s.newest = max(s.newest, w.ordinal)
			n.end(s, "left", true, now)
		}
	case s == nil || w.incarnation > s.incarnation:
		n.mark(w.key, naiveStone{w.incarnation, w.ordinal, true, now + w.ttl, now + time.Hour}, now)
		if s != nil {
			n.end(s, "left", true, now)
		}
	}
}

func (n *naive) rival(w word) *naiveServer {
	for _, s := range n.servers {
		if s.service == w.service && s.addr == w.addr && s.id != w.id {
			return s
		}
	}
	return nil
}

func (n *naive) register(w word, older *naiveServer, now time.Duration) {
	if stone, ok := n.stones[w.key]; ok {
		if w.incarnation < stone.incarnation && now < stone.olderUntil ||
			w.incarnation == stone.incarnation && (w.ordinal <= stone.newest || stone.final && w.incarnation > 0) {
			return
		}
	}
	rival := n.rival(w)
	if rival != nil && rival.incarnation >= w.incarnation || older == nil && rival == nil && len(n.servers) == n.max {
		return
	}
	for _, s := range []*naiveServer{older, rival} {
		if s != nil {
			n.end(s, "replaced", s == older, now)
		}
	}
	s := &naiveServer{key: w.key, addr: w.addr, zone: w.zone, incarnation: w.incarnation, newest: w.ordinal,
		stamp: now - w.delay, ttl: w.ttl, weight: w.weight}
	n.servers[w.key] = s
	n.tell(s, "registered")
}

func (n *naive) renew(w word, s *naiveServer, now time.Duration) {
	newer := w.ordinal > s.newest
	if !newer && w.incarnation > 0 {
		return
	}
	if newer && (s.addr != w.addr || s.zone != w.zone || s.ttl != w.ttl || s.weight != w.weight) {
		rival := n.rival(w)
		if rival != nil && rival.incarnation >= w.incarnation {
			return
		}
		if rival != nil {
			n.end(rival, "replaced", false, now)
		}
		s.addr, s.zone, s.ttl, s.weight = w.addr, w.zone, w.ttl, w.weight
		s.newest, s.stamp = w.ordinal, max(s.stamp, now-w.delay)
		n.tell(s, "updated")
	}
	s.newest, s.stamp = max(s.newest, w.ordinal), max(s.stamp, now-w.delay)
	if s.suspect && now-s.stamp < s.ttl*7/10 {
		s.suspect = false
		n.tell(s, "recovered")
	}
}

// tick sweeps. Those whose silence is over a threshold come in the order in which they crossed it, then by key.
func (n *naive) tick(now time.Duration) {
	maps.DeleteFunc(n.stones, func(_ key, s naiveStone) bool { return s.until <= now })
	crossing := func(s *naiveServer) time.Duration {
		if s.suspect {
			return s.stamp + s.ttl
		}
		return s.stamp + s.ttl*7/10
	}
	due := slices.SortedFunc(maps.Values(n.servers), func(a, b *naiveServer) int {
		return cmp.Or(cmp.Compare(crossing(a), crossing(b)), cmp.Compare(a.service, b.service), cmp.Compare(a.id, b.id))
	})
	for _, s := range due {
		if !s.suspect && now-s.stamp >= s.ttl*7/10 {
			s.suspect = true
			n.tell(s, "suspected")
		}
		if now-s.stamp >= s.ttl {
			n.end(s, "expired", false, now)
		}
	}
}

// roll is in the terms in which the test shows that of the registry.
func (n *naive) roll() []string {
	lines := make([]string, 0, len(n.servers))
	for _, s := range n.servers {
		lines = append(lines, fmt.Sprintf("%s/%s inc=%d newest=%d %s zone=%s weight=%d suspect=%v stamp=%v",
			s.service, s.id, s.incarnation, s.newest, s.addr, s.zone, s.weight, s.suspect, s.stamp))
	}
	slices.Sort(lines)
	return lines
}
