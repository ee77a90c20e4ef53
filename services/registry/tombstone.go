package registry

import (
	"container/list"
	"time"
)

// tombstoneLife is how long a removed server is remembered, or its TTL if that is longer. explain shows it, and heartbeats
// that were published before the removal are recognized by it. A server that is alive is ignored for at most its TTL: see
// objection.
const tombstoneLife = time.Hour

// tombstone remembers the removal of the last incarnation of one server.
type tombstone struct {
	key         key
	incarnation int64
	ordinal     uint64 // of its last heartbeat
	why         step
	at          int64         // of the removal, Unix nanoseconds
	ended       time.Duration // of the removal, by the time of state
	highest     int64         // highest incarnation that was removed within the last TTL
	before      int64         // incarnation that this one had replaced; -1: none
	olderUntil  time.Duration // until then, heartbeats of older incarnations may be late copies
	until       time.Duration // when the tombstone is dropped
}

// tombstones holds the last max tombstones in the order of removal. A tombstone that lives longer than tombstoneLife also
// keeps those behind it.
type tombstones struct {
	stones map[key]*list.Element
	order  *list.List // of *tombstone, oldest first
	max    int
}

func newTombstones(max int) tombstones {
	return tombstones{stones: make(map[key]*list.Element), order: list.New(), max: max}
}

// find returns nil if there is no tombstone for k.
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
			t.ordinal, t.before = max(t.ordinal, old.ordinal), old.before // a leave may arrive after one with a higher seq
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

// expire drops the tombstones whose time is over at now.
func (g *tombstones) expire(now time.Duration) {
	for e := g.order.Front(); e != nil && e.Value.(*tombstone).until <= now; e = g.order.Front() {
		g.forget(e)
	}
}

func (g *tombstones) forget(e *list.Element) {
	delete(g.stones, g.order.Remove(e).(*tombstone).key)
}
