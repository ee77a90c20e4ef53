package registry

import (
	"container/list"
	"time"
)

// tombstoneLife is how long a server that is gone is remembered, or for its TTL where that is longer, so
// that what it sent before does not bring it back. The age gate stops anything older than a TTL; the rest
// is for explain and for a server that says leave and goes on beating.
const tombstoneLife = time.Hour

// tombstone remembers how one incarnation ended.
type tombstone struct {
	key         key
	incarnation int64
	ordinal     uint64 // of its last heartbeat
	why         step
	at          int64         // Unix nanoseconds
	olderUntil  time.Duration // until then older incarnations are echoes
	until       time.Duration
}

// bars reports whether the tombstone forbids a heartbeat of this incarnation and ordinal at now. Of an
// incarnation that left or was restarted nothing is taken any more; one that expired, or lost its
// address to another, may be heard again, and so may a sender without incarnations, which can only
// come back as itself. What an older incarnation sent is too old a TTL later; one that is still heard then
// was started with its clock set back.
func (t tombstone) bars(incarnation int64, ordinal uint64, now time.Duration) bool {
	if incarnation != t.incarnation {
		return incarnation < t.incarnation && now < t.olderUntil
	}
	final := t.why == stepLeft || t.why == stepRestarted
	return final && incarnation > 0 || ordinal <= t.ordinal
}

// graveyard holds the last max tombstones in the order of burial. One with a TTL longer than tombstoneLife
// holds up the end of those behind it.
type graveyard struct {
	stones map[key]*list.Element
	order  *list.List // of tombstone, oldest first
	max    int
}

func newGraveyard(max int) graveyard {
	return graveyard{stones: make(map[key]*list.Element), order: list.New(), max: max}
}

func (g *graveyard) find(k key) (tombstone, bool) {
	e, ok := g.stones[k]
	if !ok {
		return tombstone{}, false
	}
	return e.Value.(tombstone), true
}

// bury remembers the end of an incarnation, unless a newer one ended within its TTL.
func (g *graveyard) bury(t tombstone, now, ttl time.Duration) {
	if old, ok := g.find(t.key); ok {
		switch {
		case old.incarnation > t.incarnation && now < old.olderUntil:
			return
		case old.incarnation == t.incarnation:
			t.ordinal = max(t.ordinal, old.ordinal) // a leave may arrive after one that was sent later
		}
		g.order.Remove(g.stones[t.key])
	}
	t.olderUntil = now + ttl
	t.until = now + max(tombstoneLife, ttl)
	g.stones[t.key] = g.order.PushBack(t)
	if g.order.Len() > g.max {
		g.forget(g.order.Front())
	}
}

// expire forgets what has ended at now.
func (g *graveyard) expire(now time.Duration) {
	for e := g.order.Front(); e != nil && e.Value.(tombstone).until <= now; e = g.order.Front() {
		g.forget(e)
	}
}

func (g *graveyard) forget(e *list.Element) {
	delete(g.stones, g.order.Remove(e).(tombstone).key)
}
