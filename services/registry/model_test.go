package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/events"
)

// TestModel applies random messages, findings and ticks, with receiving and silent nsqd, to the registry and to a naive model
// of it. Both must emit the same events and have the same servers. TestModel also checks invariants that do not depend on the
// rules.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlay(t)
		t.Repeat(map[string]func(*rapid.T){
			"beat":  func(t *rapid.T) { p.hear(drawWord(t, p.now)) },
			"again": p.again,
			"leave": func(t *rapid.T) {
				w := drawWord(t, p.now)
				w.leave = true
				p.hear(w)
			},
			"found": p.find,
			"step": func(t *rapid.T) {
				p.now += time.Duration(rapid.IntRange(0, 400).Draw(t, "ms")) * time.Millisecond
			},
			"tick": func(*rapid.T) { p.tick() },
			"time": func(t *rapid.T) { p.pass(time.Duration(rapid.IntRange(1, 40).Draw(t, "ticks")) * p.state.cfg.Tick) },
			"deaf": func(t *rapid.T) { p.silent = rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "silent") },
			"pause": func(t *rapid.T) {
				p.now += rapid.SampledFrom([]time.Duration{6 * time.Second, 30 * time.Second, 256 * time.Second, 61 * time.Minute}).Draw(t, "pause")
				p.tick()
			},
			"": func(t *rapid.T) { p.check(t) },
		})
	})
}

// play is a run of TestModel: a registry, the model of the registry, and the messages and events so far.
type play struct {
	state  *state
	model  *naive
	start  time.Time
	now    time.Duration
	ticked time.Duration
	silent int           // number of nsqd that deliver nothing: the first elements of modelNSQD
	said   []word        // the latest messages, one of which play.again applies once more
	left   map[life]bool // incarnations that published a leave
	events []events.Event
}

var modelNSQD = []string{"nsqd-1", "nsqd-2"}

func newPlay(t *rapid.T) *play {
	cfg := Config{Observer: "api-1", MaxServers: rapid.IntRange(2, 6).Draw(t, "max"), Probing: rapid.Bool().Draw(t, "probing")}
	cfg.setDefaults()
	p := &play{
		state: newState(cfg),
		start: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		left:  make(map[life]bool),
	}
	p.model = &naive{
		max: cfg.MaxServers, probing: cfg.Probing, clock: &p.state.clock, mode: ModeWarming, warmAt: 15 * time.Second, allowance: 1, answered: never,
		servers: make(map[key]*naiveServer), stones: make(map[key]naiveStone), latest: make(map[string]*naiveServer), contests: make(map[key]*naiveContest),
	}
	p.state.tombstones.max = 1 << 20                              // no limit, as in the model; TestTombstonesAreBounded checks the limit
	p.state.ignored.max, p.state.ignored.sweepAt = 1<<20, forever // no limit; TestIgnoredIsBounded checks the limit
	p.tick()                                                      // the first tick sets the time of the state
	return p
}

func drawWord(t *rapid.T, now time.Duration) word {
	w := word{
		key:         key{rapid.SampledFrom([]string{"data", "web"}).Draw(t, "service"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id")},
		addr:        rapid.SampledFrom([]string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}).Draw(t, "addr"),
		zone:        rapid.SampledFrom([]string{"", "", "", "z"}).Draw(t, "zone"),
		incarnation: rapid.SampledFrom([]int64{0, 1, 2, 3, 0, 1, 2, 3, naiveAhead, naiveAhead + 1}).Draw(t, "inc"),
		// Most ordinals are close to the number of seconds in the parameter now, so that the ordinals of one server rise, fall
		// and repeat.
		ordinal: uint64(max(1, int64(now/time.Second)+rapid.Int64Range(-4, 4).Draw(t, "seq"))) + rapid.SampledFrom([]uint64{0, 0, 0, 0, 0, 0, 0, 0, 1 << 21, 1 << 62}).Draw(t, "leap"),
		delay:   time.Duration(rapid.SampledFrom([]int{0, 0, 0, 500, 1500, 6999, 7000, 8000, 9999, 10000, 60000}).Draw(t, "delay")) * time.Millisecond,
		ttl:     rapid.SampledFrom([]time.Duration{10 * time.Second, 10 * time.Second, shortestTTL, 400 * time.Second}).Draw(t, "ttl"),
		weight:  rapid.SampledFrom([]int{100, 100, 100, 0}).Draw(t, "weight"),
	}
	return w
}

// again applies one of the latest messages once more, as a duplicate or as a message that newer messages have overtaken.
func (p *play) again(t *rapid.T) {
	if len(p.said) == 0 {
		t.Skip("no message yet")
	}
	p.hear(rapid.SampledFrom(p.said).Draw(t, "again"))
}

func (p *play) hear(w word) {
	p.said = append(p.said[max(0, len(p.said)-8):], w)
	received := p.start.Add(p.now)
	h := &events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: w.service, ID: w.id, Addr: w.addr, Incarnation: w.incarnation, Seq: w.ordinal,
		Zone: w.zone, Weight: w.weight, IntervalMS: naiveInterval.Milliseconds(), TTLMS: w.ttl.Milliseconds(),
	}
	if w.leave {
		h.Type = events.KindLeave
		incarnation := w.incarnation
		if s := p.model.servers[w.key]; s != nil && incarnation == 0 { // a leave without incarnation ends the registered incarnation
			incarnation = s.incarnation
		}
		p.left[life{w.key, incarnation}] = true
	}
	if w.incarnation == 0 { // a heartbeat without an incarnation has its stamp as its ordinal
		h.Seq = 0
		w.ordinal = uint64(received.Add(-w.delay).UnixNano())
	}
	p.state.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: received.Add(-w.delay), ReceivedAt: received, Delay: w.delay}))
	p.model.hear(w, p.now)
	p.collect()
}

// pass advances the time by d, one tick after the other. Before each tick, a canary arrives through every nsqd that is not silent.
func (p *play) pass(d time.Duration) {
	for end := p.now + d; p.now < end; {
		p.now += p.state.cfg.Tick
		p.tick()
	}
}

func (p *play) tick() {
	for _, addr := range modelNSQD[p.silent:] {
		at := p.start.Add(p.now)
		p.state.observe(newMessage(&events.Heartbeat{Type: events.KindCanary}, events.Receipt{Via: addr, PublishedAt: at, ReceivedAt: at}))
	}
	credited := p.state.credited
	p.state.tick(p.start.Add(p.now), modelNSQD)
	p.model.tick(p.now, p.now-p.ticked, p.state.credited-credited)
	p.ticked = p.now
	p.collect()
}

// find reports a random finding about a random registered server.
func (p *play) find(t *rapid.T) {
	order := slices.Collect(p.state.records())
	if len(order) == 0 {
		t.Skip("no server is registered")
	}
	r := rapid.SampledFrom(order).Draw(t, "server")
	finding := rapid.SampledFrom(Findings()).Draw(t, "finding")
	source := rapid.SampledFrom([]Source{SourceProbe, SourceProbe, SourceProxy}).Draw(t, "source")
	began := p.now - time.Duration(rapid.SampledFrom([]int{0, 3, 500, 3000}).Draw(t, "took"))*time.Millisecond
	s := p.model.servers[r.key()]
	p.state.report(Evidence{
		Probe: Probe{Service: r.view.Service, ID: r.view.ID, Addr: r.view.Addr, Incarnation: r.incarnation}, Finding: finding, Source: source,
		Began: p.start.Add(began), Ended: p.start.Add(p.now),
	})
	p.model.find(s, finding, source, began, p.now)
	p.collect()
}

func (p *play) collect() {
	p.events = append(p.events, takeAll(p.state)...)
}

func (p *play) check(t *rapid.T) {
	if got, want := p.eventLines(), p.model.events; !slices.Equal(got, want) {
		t.Fatalf("events at %v:\n got %q\nwant %q", p.now, tail(got), tail(want))
	}
	if got, want := p.roll(), p.model.roll(); !slices.Equal(got, want) {
		t.Fatalf("servers at %v:\n got %q\nwant %q", p.now, got, want)
	}
	checkState(t, p.state)
	checkLives(t, p.events, p.left)
}

func tail(lines []string) []string { return lines[max(0, len(lines)-6):] }

func (p *play) eventLines() []string {
	lines := make([]string, len(p.events))
	for i, e := range p.events {
		d := e.Details()
		s := d.Server
		if m, ok := e.(events.ModeChanged); ok {
			lines[i] = fmt.Sprintf("#%d mode %s", d.Revision, m.Mode)
			continue
		}
		lines[i] = fmt.Sprintf("#%d %s %s inc=%d %s %s", d.Revision, string(e.Type())[len("rollcall.server."):], s.Key(), s.Incarnation, s.State, s.Addr)
	}
	return lines
}

func (p *play) roll() []string {
	lines := make([]string, 0, len(p.state.servers))
	for r := range p.state.records() {
		v := r.view
		lines = append(lines, fmt.Sprintf("%s inc=%d newest=%d %s zone=%s weight=%d suspect=%v stamp=%v",
			v.Key(), v.Incarnation, r.ordinal, v.Addr, v.Zone, v.Weight, r.suspect, time.Duration(r.stamp)))
	}
	return lines
}

// checkState checks that the state keeps its limits and that its indexes are consistent.
func checkState(t *rapid.T, s *state) {
	if len(s.servers) > s.cfg.MaxServers {
		t.Fatalf("%d servers, want at most %d", len(s.servers), s.cfg.MaxServers)
	}
	order := slices.Collect(s.records())
	if len(order) != len(s.servers) || len(s.byAddr) != len(s.servers) || inWheel(&s.wheel) != len(s.servers) {
		t.Fatalf("%d servers, but %d in order, %d by address, %d in the wheel", len(s.servers), len(order), len(s.byAddr), inWheel(&s.wheel))
	}
	if !slices.IsSortedFunc(order, byKey) {
		t.Fatal("the servers are out of order")
	}
	for _, r := range order {
		if s.servers[r.key()] != r || s.at(r.view.Service, r.view.Addr) != r {
			t.Fatalf("%s is not found by its key and address", r.view.Key())
		}
	}
	suspects := 0
	for _, r := range order {
		if r.suspect {
			suspects++
		}
		if r.stamp > s.clock.lease.add(2*s.cfg.Tick) {
			t.Fatalf("%s has a lease that begins in the future", r.view.Key())
		}
	}
	if suspects != s.suspects {
		t.Fatalf("%d suspects counted, want %d", s.suspects, suspects)
	}
	membership := s.members()
	if membership.Revision != s.revision || membership.Len() != len(order) {
		t.Fatalf("the membership has revision %d and %d servers, want %d and %d", membership.Revision, membership.Len(), s.revision, len(order))
	}
	shown := slices.Collect(membership.All())
	for i, r := range order {
		if shown[i] != r.view {
			t.Fatalf("the membership has another view of %s", r.view.Key())
		}
	}
	for name, g := range s.services {
		for _, b := range g.blocks {
			if len(b.records) == 0 || len(b.records) > maxBlock {
				t.Fatalf("service %s has a block of %d servers", name, len(b.records))
			}
		}
	}
	if membership.Counts().Suspect != suspects {
		t.Fatalf("the membership counts %d suspects, want %d", membership.Counts().Suspect, suspects)
	}
}

func inWheel(w *wheel) int {
	n := 0
	for _, head := range w.slots {
		if head == nil {
			continue
		}
		n++
		for r := head.next; r != head; r = r.next {
			n++
		}
	}
	return n
}

// shortestTTL is the shortest TTL in TestModel.
const shortestTTL = 100 * time.Millisecond

// life is one incarnation of a server.
type life struct {
	key
	incarnation int64
}

// checkLives checks the order of events. The events of each incarnation are registered, then any number of updated, suspected and
// recovered, and then at most one event of removal. Revisions grow by one. Within the shortest TTL, event ids are unique, and no
// server that left returns. After the shortest TTL, a server that goes on publishing can return; the model checks this.
func checkLives(t *rapid.T, all []events.Event, left map[life]bool) {
	here := make(map[life]bool)
	final := make(map[life]time.Time)
	ids := make(map[string]time.Time)
	for i, e := range all {
		d := e.Details()
		l := life{key{d.Server.Service, d.Server.ID}, d.Server.Incarnation}
		if d.Revision != uint64(i)+1 {
			t.Fatalf("event %d has revision %d", i+1, d.Revision)
		}
		if earlier, ok := ids[d.ID]; ok && l.incarnation > 0 && d.Time.Sub(earlier) < shortestTTL {
			t.Fatalf("event %d has the id of an earlier one", i+1)
		}
		ids[d.ID] = d.Time
		if e.Type() == events.TypeMode {
			continue
		}
		if registers := e.Type() == events.TypeRegistered; registers == here[l] {
			t.Fatalf("event %d of %v is %s, registered before: %v", i+1, l, e.Type(), here[l])
		}
		if end, ok := final[l]; ok && l.incarnation > 0 && d.Time.Sub(end) < shortestTTL {
			t.Fatalf("event %d: %v returned after its leave", i+1, l)
		}
		switch e.Type() {
		case events.TypeExpired, events.TypeLeft, events.TypeReplaced:
			delete(here, l)
			if d.Cause == events.CauseLeave && left[l] {
				final[l] = d.Time
			}
			if d.Cause == events.CauseIncarnation {
				checkSuccessor(t, all[i+1:], d.Server)
			}
		default:
			here[l] = true
		}
	}
}

// checkSuccessor checks that the next event registers another incarnation of the same server (the parameter old). Before this
// event, there can be changes of mode, and the replacement of another server that had the address.
func checkSuccessor(t *rapid.T, next []events.Event, old events.Server) {
	for len(next) > 0 && next[0].Type() == events.TypeMode {
		next = next[1:]
	}
	if len(next) > 0 && next[0].Details().Cause == events.CauseAddress {
		next = next[1:]
	}
	if len(next) > 0 && next[0].Type() == events.TypeRegistered {
		if s := next[0].Details().Server; s.Service == old.Service && s.ID == old.ID && s.Incarnation != old.Incarnation {
			return
		}
	}
	t.Fatalf("no other incarnation of %s was registered after it was replaced", old.Key())
}

// The number of tombstones never exceeds the limit, whatever is added in any order. All tombstones are dropped in the end.
func TestTombstonesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newTombstones(rapid.IntRange(1, 5).Draw(t, "max"))
		now := time.Duration(0)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k := key{"data", rapid.StringMatching("[a-h]").Draw(t, "id")}
				g.add(tombstone{key: k, incarnation: rapid.Int64Range(0, 2).Draw(t, "inc")}, now, time.Second)
				if g.find(k) == nil {
					t.Fatalf("%v was dropped at once", k)
				}
			},
			"expire": func(t *rapid.T) {
				now += time.Duration(rapid.IntRange(0, 50).Draw(t, "minutes")) * time.Minute
				g.expire(now)
			},
			"": func(t *rapid.T) {
				if len(g.stones) > g.max || g.order.Len() > g.max {
					t.Fatalf("%d tombstones and %d in order, want at most %d", len(g.stones), g.order.Len(), g.max)
				}
			},
		})
		g.expire(now + tombstoneLife)
		if len(g.stones) != 0 || g.order.Len() != 0 {
			t.Fatalf("%d tombstones and %d in order were not dropped", len(g.stones), g.order.Len())
		}
	})
}
