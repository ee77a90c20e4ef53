package registry

import (
	"container/list"
	"time"

	"rollcall/events"
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
	ended       time.Duration // the same
	again       time.Duration // when the first heartbeat was sent that came after it expired; never at first
	olderUntil  time.Duration // until then older incarnations are echoes
	until       time.Duration
}

// bars reports whether the tombstone forbids a heartbeat of this incarnation and ordinal, sent then, at now. What was sent
// before the end is an echo, however long NSQ kept it. Of an incarnation that left or was restarted nothing is taken any
// more; one that expired, or lost its address to another, may be heard again, and so may a sender without incarnations,
// which can only come back as itself. What an older incarnation sent is too old a TTL later; one that is still heard then
// was started with its clock set back.
func (t *tombstone) bars(incarnation int64, ordinal uint64, sent, now time.Duration) bool {
	switch {
	case incarnation != t.incarnation:
		return incarnation < t.incarnation && now < t.olderUntil
	case sent <= t.ended:
		return true
	case incarnation == 0: // its ordinals are stamps of a clock that may have been set back
		return false
	}
	return t.why == stepLeft || t.why == stepRestarted || ordinal <= t.ordinal
}

// heardTwice reports whether a server that expired is back. One message does not show it: a process that is stopped, as
// nsqd may be, keeps what it has not read, and stamps it when it goes on. So it must be heard twice, half an interval
// apart. A sender without incarnations is another process each time, and taken at its word.
func (t *tombstone) heardTwice(b *arrival) bool {
	typ, _ := t.why.event()
	if typ != events.TypeExpired || b.Incarnation == 0 || b.Incarnation != t.incarnation {
		return true
	}
	if t.again == never || b.sent()-t.again > b.TTL() {
		t.again = b.sent()
	}
	return b.sent()-t.again >= b.Interval()/2
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

// bury remembers the end of an incarnation, unless a newer one ended within its TTL.
func (g *graveyard) bury(t tombstone, now, ttl time.Duration) {
	if old := g.find(t.key); old != nil {
		switch {
		case old.incarnation > t.incarnation && now < old.olderUntil:
			return
		case old.incarnation == t.incarnation:
			t.ordinal = max(t.ordinal, old.ordinal) // a leave may arrive after one that was sent later
		}
		g.order.Remove(g.stones[t.key])
	}
	t.again = never
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
