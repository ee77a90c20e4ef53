package registry

import (
	"container/list"
	"time"
)

// tombstoneLife is how long a server that is gone is remembered, or for its TTL where that is longer: for explain, and to
// tell what was published before its end. A server that lives is kept off the roll for its TTL at most: see objection.
const tombstoneLife = time.Hour

// tombstone remembers how the last incarnation of one id ended.
type tombstone struct {
	key         key
	incarnation int64
	ordinal     uint64 // of its last heartbeat
	why         step
	at          int64         // Unix nanoseconds
	ended       time.Duration // the same
	highest     int64         // incarnation of all that ended within their TTL
	before      int64         // incarnation that this one had replaced; -1: none
	olderUntil  time.Duration // until then older incarnations may be echoes
	until       time.Duration
}

// graveyard holds the last max tombstones in the order of burial. One with a TTL longer than tombstoneLife
// holds up the end of those behind it.
type graveyard struct {
	stones map[key]*list.Element
	order  *list.List // of *tombstone, oldest first
	max    int
}

func newGraveyard(max int) graveyard {
	return graveyard{stones: make(map[key]*list.Element), order: list.New(), max: max}
}

// find is nil if nothing is remembered.
func (g *graveyard) find(k key) *tombstone {
	if e, ok := g.stones[k]; ok {
		return e.Value.(*tombstone)
	}
	return nil
}

// bury remembers the end of an incarnation.
func (g *graveyard) bury(t tombstone, now, ttl time.Duration) {
	t.highest, t.before = t.incarnation, -1
	if old := g.find(t.key); old != nil {
		if now < old.olderUntil {
			t.highest = max(t.highest, old.highest)
		}
		switch {
		case old.incarnation == t.incarnation:
			t.ordinal, t.before = max(t.ordinal, old.ordinal), old.before // a leave may arrive after one that was sent later
		case old.why == stepRestarted:
			t.before = old.incarnation
		}
		g.order.Remove(g.stones[t.key])
	}
	t.olderUntil = now + ttl
	t.until = now + max(tombstoneLife, ttl)
	g.stones[t.key] = g.order.PushBack(&t)
	if g.order.Len() > g.max {
		g.forget(g.order.Front())
	}
}

// expire forgets what has ended at now.
func (g *graveyard) expire(now time.Duration) {
	for e := g.order.Front(); e != nil && e.Value.(*tombstone).until <= now; e = g.order.Front() {
		g.forget(e)
	}
}

func (g *graveyard) forget(e *list.Element) {
	delete(g.stones, g.order.Remove(e).(*tombstone).key)
}
