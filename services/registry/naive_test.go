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
// The lease clock is the registry's own, which TestLeaseClock checks.
type naive struct {
	max       int // servers
	probing   bool
	clock     *leaseClock
	servers   map[key]*naiveServer
	stones    map[key]naiveStone
	mode      Mode
	warmAt    time.Duration
	allowance float64
	answered  time.Duration
	fleet     int
	revision  int
	events    []string
}

type naiveServer struct {
	key
	addr, zone  string
	incarnation int64
	newest      uint64        // ordinal
	stamp, beat time.Duration // by the lease clock
	sent        time.Duration
	ttl         time.Duration
	weight      int
	suspect     bool

	badAt            time.Duration
	refuted          bool
	failed, extended int
	silentAt         time.Duration
}

type naiveStone struct {
	incarnation int64
	newest      uint64
	final       bool
	expired     bool
	again       time.Duration // 0: not yet
	ended       time.Duration
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
	n.mark(s.key, naiveStone{s.incarnation, s.newest, final, what == "expired", 0, now, now + s.ttl, now + time.Hour}, now)
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
		n.mark(w.key, naiveStone{w.incarnation, w.ordinal, true, false, 0, now, now + w.ttl, now + time.Hour}, now)
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
			w.incarnation == stone.incarnation && (now-w.delay <= stone.ended || w.incarnation > 0 && (w.ordinal <= stone.newest || stone.final)) {
			return
		}
		if stone.expired && w.incarnation > 0 && w.incarnation == stone.incarnation {
			first := stone.again == 0 || now-w.delay-stone.again > w.ttl
			if first {
				stone.again = now - w.delay
				n.stones[w.key] = stone
			}
			if first || now-w.delay-stone.again < naiveInterval/2 {
				return
			}
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
		badAt: never, stamp: n.clock.at(now) - w.delay, beat: n.clock.at(now) - w.delay, sent: now - w.delay, ttl: w.ttl, weight: w.weight}
	n.servers[w.key] = s
	n.tell(s, "registered")
}

func (n *naive) renew(w word, s *naiveServer, now time.Duration) {
	newer := w.ordinal > s.newest
	if !newer && w.incarnation > 0 {
		return
	}
	changed := newer && (s.addr != w.addr || s.zone != w.zone || s.ttl != w.ttl || s.weight != w.weight)
	rival := n.rival(w)
	if changed && rival != nil && rival.incarnation >= w.incarnation {
		return
	}
	s.renew(w, n.clock.at(now), now)
	if s.suspect && n.clock.at(now)-s.stamp < s.ttl*7/10 && now-w.delay > s.badAt {
		s.suspect = false
		n.tell(s, "recovered")
	}
	if !changed {
		return
	}
	if rival != nil {
		n.end(rival, "replaced", false, now)
	}
	if s.addr != w.addr {
		s.badAt, s.refuted, s.failed, s.extended = never, false, 0, 0
	}
	s.addr, s.zone, s.ttl, s.weight = w.addr, w.zone, w.ttl, w.weight
	n.tell(s, "updated")
}

func (s *naiveServer) renew(w word, lease, now time.Duration) {
	s.newest = max(s.newest, w.ordinal)
	s.stamp, s.beat, s.sent = max(s.stamp, lease-w.delay), max(s.beat, lease-w.delay), max(s.sent, now-w.delay)
	if now-w.delay > s.badAt {
		s.refuted, s.failed, s.extended = false, 0, 0
	}
}

// find applies what somebody found out about a server that is on the roll.
func (n *naive) find(s *naiveServer, finding Finding, source Source, began, now time.Duration) {
	if source == SourceProbe && finding != FindingSilent && finding != FindingUnknown {
		n.answered = max(n.answered, began)
	}
	switch {
	case finding == FindingIdentified && n.exhausted(s):
		s.failed, s.extended = 0, 0
	case finding == FindingIdentified:
		s.failed, s.extended = 0, 0
		if began > s.badAt {
			s.refuted = false
		}
		s.stamp = max(s.stamp, min(n.clock.at(began), n.clock.lease))
		if s.suspect {
			s.suspect = false
			n.tell(s, "recovered")
		}
	case s.sent > began:
	case finding == FindingUnknown:
		if n.exhausted(s) {
			s.fail(began)
		}
	case source == SourceProxy:
		s.badAt = max(s.badAt, began)
		n.suspect(s)
	case finding == FindingRefused || finding == FindingStranger && !n.shared(s):
		s.badAt = max(s.badAt, began)
		if !s.suspect {
			n.suspect(s)
			return
		}
		s.refuted = true
		if n.allow() {
			n.end(s, "expired", false, now)
		}
	case finding != FindingSilent && s.extended < 2:
		s.badAt = max(s.badAt, began)
		s.extended++
	default:
		s.badAt = max(s.badAt, began)
		s.fail(began)
	}
}

func (s *naiveServer) fail(began time.Duration) {
	if s.failed == 0 {
		s.silentAt = began
	}
	s.failed++
}

func (n *naive) exhausted(s *naiveServer) bool {
	since := s.beat
	if way := n.clock.nsqds["nsqd-1"]; way != nil { // all are heard through it
		since = max(since, min(way.until, s.stamp))
	}
	return n.clock.lease-since >= max(s.ttl, time.Minute)
}

func (n *naive) shared(s *naiveServer) bool {
	for _, other := range n.servers {
		if other.service != s.service && other.addr == s.addr {
			return true
		}
	}
	return false
}

func (n *naive) suspect(s *naiveServer) {
	if !s.suspect {
		s.suspect = true
		n.tell(s, "suspected")
	}
}

func (n *naive) allow() bool {
	if n.mode == ModeNormal {
		return true
	}
	if n.allowance < 1 {
		return false
	}
	n.allowance--
	return true
}

// settle finds the mode, and how many may expire, g after the tick before.
func (n *naive) settle(now, g time.Duration) {
	n.fleet = max(n.fleet, len(n.servers))
	if n.mode == ModeNormal {
		n.fleet = len(n.servers)
	}
	share := max(1, float64(n.fleet)/10)
	n.allowance = min(share, n.allowance+share*g.Seconds())
	suspects := 0
	for _, s := range n.servers {
		if s.suspect {
			suspects++
		}
	}
	if n.clock.deaf() {
		n.warmAt = now + 15*time.Second
	}
	most := len(n.servers) * 50 // fewer than ten here
	if n.mode == ModeHolding {
		most = len(n.servers) * 34
	}
	mode := ModeNormal
	switch {
	case n.clock.deaf():
		mode = ModeBlind
	case now < n.warmAt:
		mode = ModeWarming
	case suspects > 1 && suspects*100 > most:
		mode = ModeHolding
	}
	if mode != n.mode {
		n.mode = mode
		n.revision++
		n.events = append(n.events, fmt.Sprintf("#%d mode %s", n.revision, mode))
	}
}

// tick sweeps, when the clock has moved. Those whose silence is over a threshold come in the order in which they crossed
// it, then by key.
func (n *naive) tick(now, g, credit time.Duration) {
	lease := n.clock.lease
	for _, s := range n.servers {
		s.stamp = max(s.stamp, min(s.stamp+credit, lease))
		s.beat = max(s.beat, min(s.beat+credit, lease))
	}
	n.settle(now, g)
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
		if lease-s.stamp >= s.ttl*7/10 {
			n.suspect(s)
		}
		if s.suspect && n.lapsed(s) && n.allow() {
			n.end(s, "expired", false, now)
		}
	}
}

func (n *naive) lapsed(s *naiveServer) bool {
	age := n.clock.lease - s.stamp
	over := age >= s.ttl+time.Duration(s.extended)*naiveInterval
	switch {
	case s.refuted:
		return true
	case n.mode == ModeBlind || n.mode == ModeWarming:
		return false
	case n.mode == ModeHolding && !n.probing:
		return age >= 2*s.ttl
	case n.probing:
		reached := n.answered >= s.silentAt || len(n.servers) == 1
		return over && (s.failed >= 3 && reached || n.exhausted(s) && (s.failed >= 3 || n.mode == ModeNormal))
	}
	return over
}

// naiveInterval is that of all servers here.
const naiveInterval = 50 * time.Millisecond

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
