package registry

import (
	"container/list"
	"time"
)

// A tombstone is kept for tombstoneLife, or for the TTL of the server if that is longer. Explain shows the tombstone, and
// tombstone.objection uses it to recognize heartbeats that were published before the removal. A live server is ignored for at most
// its TTL.
const tombstoneLife = time.Hour

// tombstone remembers the removal of the last incarnation of one server.
type tombstone struct {
	key         key
	incarnation int64
	ordinal     uint64 // ordinal of the last heartbeat of the incarnation
	why         step
	at          int64         // when the incarnation was removed, Unix nanoseconds
	ended       time.Duration // when the incarnation was removed, by the time of the state
	highest     int64         // highest incarnation of the server that was removed within the last TTL
	before      int64         // incarnation that the removed incarnation had replaced; -1 if there is none
	olderUntil  time.Duration // before this time, heartbeats of older incarnations may be late copies
	until       time.Duration // when the tombstone is dropped
}

// The type tombstones holds at most max tombstones, in the order of removal. Its method expire stops at the first tombstone that must
// be kept. So a tombstone that is kept for longer than tombstoneLife also keeps the tombstones after it.
type tombstones struct {
	stones map[key]*list.Element
	order  *list.List // of *tombstone, oldest first
	max    int
}

func newTombstones(max int) tombstones {
	return tombstones{stones: make(map[key]*list.Element), order: list.New(), max: max}
}

// find returns the tombstone of the server k. It returns nil if there is none.
func (g *tombstones) find(k key) *tombstone {
	if e, ok := g.stones[k]; ok {
		return e.Value.(*tombstone)
	}
	return nil
}

// add remembers the removal of an incarnation.
func (g *tombstones) add(t tombstone, now, ttl time.Duration) {
	t.highest, t.before = t.incarnation, -1
	if old := g.find(t.key); old != nil {
		if now < old.olderUntil {
			t.highest = max(t.highest, old.highest)
		}
		switch {
		case old.incarnation == t.incarnation:
			t.ordinal, t.before = max(t.ordinal, old.ordinal), old.before // a leave may arrive after a leave with a higher seq
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

// expireStep is the largest number of tombstones that one tick drops, so that the tick is short. The next ticks drop the others.
const expireStep = 2048

// The method expire drops tombstones that need not be kept after the time now, the oldest first and at most expireStep of them.
func (g *tombstones) expire(now time.Duration) {
	for range expireStep {
		e := g.order.Front()
		if e == nil || e.Value.(*tombstone).until > now {
			return
		}
		g.forget(e)
	}
}

func (g *tombstones) forget(e *list.Element) {
	delete(g.stones, g.order.Remove(e).(*tombstone).key)
}
