package registry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"rollcall/events"
)

// naive is a simple and slow registry: a map, and a sweep over all servers at each tick. It is the model in TestModel. It does
// not bound the number of tombstones, and keeps each tombstone for an hour, which is longer than every TTL in TestModel. Times
// count from the start. naive uses the lease clock of the registry under test; the lease clock has its own tests.
type naive struct {
	max       int // largest number of servers
	probing   bool
	clock     *leaseClock
	servers   map[key]*naiveServer
	latest    map[string]*naiveServer // for each address, the server that was last registered with it
	stones    map[key]naiveStone
	contests  map[key]*naiveContest
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
	newest      uint64        // highest ordinal of the heartbeats
	stamp, beat time.Duration // the last renewal of the lease, and the last heartbeat, in lease time
	sent        time.Duration
	claimed     time.Duration
	ttl         time.Duration
	weight      int
	suspect     bool

	badAt            time.Duration
	refuted          bool
	failed, extended int
	silentAt         time.Duration

	rewound bool // a heartbeat with a lower seq was accepted
}

type naiveStone struct {
	incarnation int64
	newest      uint64
	how         string // how the incarnation ended: left, expired, replaced (by a newer incarnation) or displaced
	ended       time.Duration
	olderUntil  time.Duration // a TTL after the removal
	highest     int64
	before      int64 // incarnation that a newer incarnation replaced before; -1: none
	until       time.Duration
}

// naiveContest describes the out-of-order heartbeats of a server.
type naiveContest struct {
	first, last time.Duration
	ttl         time.Duration
}

// word is a heartbeat or a leave message, in the form that the model uses.
type word struct {
	key
	leave       bool
	addr, zone  string
	incarnation int64
	ordinal     uint64 // sequence number, or the stamp if the message has no incarnation
	delay, ttl  time.Duration
	weight      int
}

func (n *naive) emit(s *naiveServer, what string) {
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

func (n *naive) end(s *naiveServer, what string, now time.Duration) {
	n.mark(s.key, s.incarnation, s.newest, what, s.ttl, now)
	delete(n.servers, s.key)
	n.disclaim(s)
	if what == "displaced" {
		what = "replaced"
	}
	n.emit(s, what)
}

// mark adds the tombstone of an incarnation of the server k.
func (n *naive) mark(k key, incarnation int64, newest uint64, how string, ttl, now time.Duration) {
	stone := naiveStone{incarnation, newest, how, now, now + ttl, incarnation, -1, now + time.Hour}
	if old, ok := n.stones[k]; ok {
		if now < old.olderUntil {
			stone.highest = max(stone.highest, old.highest)
		}
		if old.incarnation == incarnation {
			stone.newest, stone.before = max(newest, old.newest), old.before
		} else if old.how == "replaced" {
			stone.before = old.incarnation
		}
	}
	n.stones[k] = stone
}

func (n *naive) hear(w word, now time.Duration) {
	s := n.servers[w.key]
	switch {
	case w.leave:
		n.leave(w, s, now)
	case w.delay >= w.ttl:
	case s == nil:
		n.enter(w, now)
	case w.incarnation == s.incarnation:
		n.renew(w, s, now)
	default:
		n.succeed(w, s, now)
	}
}

func (n *naive) leave(w word, s *naiveServer, now time.Duration) {
	if s == nil {
		if stone, ok := n.stones[w.key]; !ok || w.incarnation >= stone.highest {
			n.mark(w.key, w.incarnation, w.ordinal, "left", w.ttl, now)
		}
		return
	}
	switch {
	case w.incarnation == 0 && s.incarnation == 0 && w.ordinal < s.newest:
	case w.incarnation == 0 && s.incarnation > 0 && now-w.delay <= s.sent:
	case w.incarnation > 0 && w.incarnation < s.incarnation:
	case w.incarnation == s.incarnation && s.rewound && now-w.delay <= s.sent:
	default:
		if w.incarnation == s.incarnation {
			s.newest = max(s.newest, w.ordinal)
		}
		n.end(s, "left", now)
		if w.incarnation > s.incarnation {
			n.mark(w.key, w.incarnation, w.ordinal, "left", w.ttl, now)
		}
	}
}

// barred returns the effect of a tombstone on the heartbeat w. "" means that the tombstone has no effect. "echo" and "no" mean
// that w does not register the server. "twice" means that the second such heartbeat registers the server. A heartbeat with the
// result "no" counts as the first of the two, but a heartbeat with the result "echo" does not.
func (n *naive) barred(w word, now time.Duration) string {
	stone, ok := n.stones[w.key]
	over := now >= stone.olderUntil
	switch {
	case !ok || w.incarnation > stone.highest:
		return ""
	case now-w.delay <= stone.ended:
		return "echo"
	case w.incarnation != stone.incarnation:
		if over || w.incarnation == stone.before {
			return ""
		}
		return "twice"
	case w.incarnation == 0:
		return ""
	case stone.how == "displaced" && w.ordinal > stone.newest:
		return ""
	case stone.how == "left" && !over:
		return "no"
	}
	return "twice"
}

// twice records the heartbeat w. It reports whether another recorded heartbeat was published after the time in the parameter
// since, and at least half an interval before w.
func (n *naive) twice(w word, since, now time.Duration) bool {
	sent := now - w.delay
	c := n.contests[w.key]
	if c == nil {
		c = &naiveContest{first: never, last: never}
		n.contests[w.key] = c
	}
	if c.first <= since || sent-c.last > w.ttl {
		c.first = sent
	}
	c.last, c.ttl = max(c.last, sent), w.ttl
	return sent-c.first >= naiveInterval/2
}

// contends reports whether the out-of-order heartbeat w replaces the registered server s.
func (n *naive) contends(w word, s *naiveServer, now time.Duration) bool {
	silence := now - w.delay - s.sent
	same := w.incarnation == s.incarnation && w.ordinal == s.newest
	if silence <= 0 || same && silence < naiveInterval/2 {
		return false
	}
	return same && s.rewound || n.twice(w, s.sent, now) && silence >= s.overdue()
}

// overdue returns the duration of silence after which the next heartbeat of s is late.
func (s *naiveServer) overdue() time.Duration { return min(s.ttl*7/10, naiveInterval*3/2) }

// enter applies the heartbeat w of a server that is not registered.
func (n *naive) enter(w word, now time.Duration) {
	switch n.barred(w, now) {
	case "":
		n.register(w, nil, now)
	case "no", "twice":
		since := time.Duration(never)
		if n.stones[w.key].incarnation == w.incarnation {
			since = n.stones[w.key].ended
		}
		if n.twice(w, since, now) && n.barred(w, now) == "twice" {
			n.register(w, nil, now)
		}
	}
}

// succeed replaces the registered server s with the incarnation of the heartbeat w, or ignores w.
func (n *naive) succeed(w word, s *naiveServer, now time.Duration) {
	next := w.incarnation > s.incarnation && n.barred(w, now) == "" && (w.incarnation < naiveAhead || s.incarnation >= naiveAhead)
	if next || n.contends(w, s, now) {
		n.register(w, s, now)
	}
}

// naiveAhead is the lowest incarnation that counts as far in the future.
const naiveAhead = 1 << 60

func (n *naive) rival(w word) *naiveServer {
	for _, s := range n.servers {
		if s.service == w.service && s.addr == w.addr && s.id != w.id {
			return s
		}
	}
	return nil
}

func (n *naive) register(w word, older *naiveServer, now time.Duration) {
	rival := n.rival(w)
	if rival != nil && (rival.incarnation >= w.incarnation || w.incarnation >= naiveAhead && rival.incarnation < naiveAhead) ||
		older == nil && rival == nil && len(n.servers) == n.max {
		return
	}
	stone, ok := n.stones[w.key]
	rewound := ok && w.incarnation > 0 && stone.incarnation == w.incarnation && w.ordinal <= stone.newest
	delete(n.contests, w.key)
	if older != nil {
		n.end(older, "replaced", now)
	}
	if rival != nil {
		n.end(rival, "displaced", now)
	}
	s := &naiveServer{key: w.key, addr: w.addr, zone: w.zone, incarnation: w.incarnation, newest: w.ordinal,
		badAt: never, stamp: n.at(now) - w.delay, beat: n.at(now) - w.delay, sent: now - w.delay, ttl: w.ttl, weight: w.weight, rewound: rewound}
	n.servers[w.key] = s
	n.emit(s, "registered")
	n.claim(s, w, now)
}

func (n *naive) claim(s *naiveServer, w word, now time.Duration) {
	s.claimed = now - w.delay
	newer, older := s, n.latest[w.addr]
	if older != nil && older.claimed > s.claimed {
		newer, older = older, s
	}
	n.latest[w.addr] = newer
	if older != nil && n.mode != ModeWarming && older.sent < newer.claimed {
		older.badAt = max(older.badAt, newer.claimed)
		n.suspect(older)
	}
}

func (n *naive) disclaim(s *naiveServer) {
	if n.latest[s.addr] == s {
		delete(n.latest, s.addr)
	}
}

func (n *naive) successor(s *naiveServer) *naiveServer {
	if other := n.latest[s.addr]; other != nil && other != s && s.sent < other.claimed {
		return other
	}
	return nil
}

func (n *naive) renew(w word, s *naiveServer, now time.Duration) {
	newer := w.ordinal > s.newest
	leap := newer && w.ordinal-s.newest > 1<<20 && w.ordinal-s.newest-1<<20 > 2*uint64(max(0, now-w.delay-s.sent))
	if w.incarnation > 0 && (!newer || leap) {
		if !n.contends(w, s, now) {
			return
		}
		delete(n.contests, w.key)
		s.newest, s.rewound, newer = 0, true, true
	}
	changed := newer && (s.addr != w.addr || s.zone != w.zone || s.ttl != w.ttl || s.weight != w.weight)
	rival := n.rival(w)
	if changed && rival != nil && rival.incarnation >= w.incarnation {
		return
	}
	s.renew(w, n.at(now), now)
	if s.suspect && n.at(now)-n.clock.grace-s.stamp < s.ttl*7/10 && now-w.delay > s.badAt {
		s.suspect = false
		n.emit(s, "recovered")
	}
	if !changed {
		return
	}
	if rival != nil {
		n.end(rival, "displaced", now)
	}
	moved := s.addr != w.addr
	if moved {
		s.badAt, s.refuted, s.failed, s.extended = never, false, 0, 0
		n.disclaim(s)
	}
	s.addr, s.zone, s.ttl, s.weight = w.addr, w.zone, w.ttl, w.weight
	n.emit(s, "updated")
	if moved {
		n.claim(s, w, now)
	}
}

func (s *naiveServer) renew(w word, lease, now time.Duration) {
	s.newest = max(s.newest, w.ordinal)
	s.stamp, s.beat, s.sent = max(s.stamp, lease-w.delay), max(s.beat, lease-w.delay), max(s.sent, now-w.delay)
	if now-w.delay > s.badAt {
		s.refuted, s.failed, s.extended = false, 0, 0
	}
}

// find applies a finding about the registered server s.
func (n *naive) find(s *naiveServer, finding Finding, source Source, began, now time.Duration) {
	if source == SourceProbe && finding != FindingSilent && finding != FindingUnknown {
		n.answered = max(n.answered, began)
	}
	successor := n.successor(s)
	switch {
	case finding == FindingIdentified && successor != nil && successor.id == s.id: // the successor at the address has the same id
	case finding == FindingIdentified && n.exhausted(s):
		s.failed, s.extended = 0, 0
	case finding == FindingIdentified:
		s.failed, s.extended = 0, 0
		if began > s.badAt {
			s.refuted = false
		}
		s.stamp = max(s.stamp, min(n.at(began), n.lease()))
		if s.suspect {
			s.suspect = false
			n.emit(s, "recovered")
		}
	case s.sent > began:
	case finding == FindingUnknown:
		if n.exhausted(s) {
			s.fail(began)
		}
	case source == SourceProxy:
		s.badAt = max(s.badAt, began)
		n.suspect(s)
	case finding == FindingRefused || finding == FindingStranger && n.usurped(s, now):
		s.badAt = max(s.badAt, began)
		if !s.suspect {
			n.suspect(s)
			return
		}
		s.refuted = true
		if n.allow() {
			n.end(s, "expired", now)
		}
	case finding != FindingSilent && (s.extended < 1 || s.extended < 2 && successor == nil):
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
	if way := n.clock.nsqds["nsqd-1"]; way != nil { // the test delivers all heartbeats through nsqd-1
		since = max(since, min(time.Duration(way.until), s.stamp))
	}
	return n.lease()-since >= n.clock.withUnreached(max(s.ttl, time.Minute))
}

func (n *naive) usurped(s *naiveServer, now time.Duration) bool {
	if n.successor(s) != nil {
		return now-s.sent >= s.overdue()
	}
	for _, other := range n.servers {
		if other != s && other.addr == s.addr && s.sent >= other.claimed && other.sent >= s.claimed {
			return false
		}
	}
	return true
}

func (n *naive) suspect(s *naiveServer) {
	if !s.suspect {
		s.suspect = true
		n.emit(s, "suspected")
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

// settle determines the mode, and how many servers may expire at this tick. g is the time since the previous tick.
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
	if n.clock.blind() {
		n.warmAt = now + 15*time.Second
	}
	most := len(n.servers) * 50 // mode holding begins when more than 50 % are suspect; 50 % is the limit for fewer than ten servers
	if n.mode == ModeHolding {
		most = len(n.servers) * 34
	}
	mode := ModeNormal
	switch {
	case n.clock.blind():
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

// tick checks all servers after the lease clock has advanced. It sorts the servers by the time at which each reaches its next limit
// of silence (0.7 TTL, then TTL), and then by key.
func (n *naive) tick(now, g, credit time.Duration) {
	lease := n.lease()
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
		if n.lease()-n.clock.grace-s.stamp >= s.ttl*7/10 {
			n.suspect(s)
		}
		if s.suspect && n.lapsed(s, now) && n.allow() {
			n.end(s, "expired", now)
		}
	}
}

func (n *naive) lapsed(s *naiveServer, now time.Duration) bool {
	age := n.lease() - n.clock.grace - s.stamp
	over := age >= s.ttl+time.Duration(s.extended)*naiveInterval
	switch {
	case s.refuted:
		return true
	case n.mode == ModeBlind || n.mode == ModeWarming:
		return false
	case n.contested(s, now):
		return false
	case n.mode == ModeHolding && !n.probing:
		return age >= 2*s.ttl
	case n.probing:
		reached := n.answered >= s.silentAt || len(n.servers) == 1
		return over && (s.failed >= 3 && reached || n.exhausted(s) && (s.failed >= 3 || n.mode == ModeNormal))
	}
	return over
}

// contested reports whether another process publishes with the id of s while s is silent.
func (n *naive) contested(s *naiveServer, now time.Duration) bool {
	c := n.contests[s.key]
	return c != nil && c.last > s.sent && now-c.last < c.ttl && now-s.sent < 3*s.ttl
}

// The methods at and lease convert lease time to time.Duration, because the model uses this type for all times.
func (n *naive) at(now time.Duration) time.Duration { return time.Duration(n.clock.at(now)) }
func (n *naive) lease() time.Duration               { return time.Duration(n.clock.lease) }

// naiveInterval is the interval of all servers.
const naiveInterval = 50 * time.Millisecond

// roll returns one line for each server, in the format of play.roll.
func (n *naive) roll() []string {
	lines := make([]string, 0, len(n.servers))
	for _, s := range n.servers {
		lines = append(lines, fmt.Sprintf("%s/%s inc=%d newest=%d %s zone=%s weight=%d suspect=%v stamp=%v",
			s.service, s.id, s.incarnation, s.newest, s.addr, s.zone, s.weight, s.suspect, s.stamp))
	}
	slices.Sort(lines)
	return lines
}
