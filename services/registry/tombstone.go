package registry

import "time"

// tombstoneLife is how long a server that is gone is remembered, so that what it sent before does
// not bring it back. The age gate stops anything older than a TTL; the rest is for explain and for a
// server that says leave and goes on beating.
const tombstoneLife = time.Hour

// tombstone remembers how one incarnation ended.
type tombstone struct {
	incarnation int64
	ordinal     uint64 // of its last heartbeat
	why         step
	at          int64 // Unix nanoseconds
	until       time.Duration
}

// bars reports whether the tombstone forbids a heartbeat of this incarnation and ordinal. Of an
// incarnation that left or was restarted nothing is taken any more; one that expired, or lost its
// address to another, may be heard again, and so may a sender without incarnations, which can only
// come back as itself.
func (t tombstone) bars(incarnation int64, ordinal uint64) bool {
	if incarnation != t.incarnation {
		return incarnation < t.incarnation
	}
	final := t.why == stepLeft || t.why == stepRestarted
	return final && incarnation > 0 || ordinal <= t.ordinal
}

// graveyard holds tombstones in the order in which they end. At most max of them: then the oldest
// is forgotten.
type graveyard struct {
	stones map[key]tombstone
	queue  []grave
	max    int
}

type grave struct {
	key   key
	until time.Duration
}

func (g *graveyard) bury(k key, t tombstone, now time.Duration) {
	t.until = now + tombstoneLife
	if old, ok := g.stones[k]; ok && old.incarnation > t.incarnation {
		return
	}
	g.stones[k] = t
	g.queue = append(g.queue, grave{k, t.until})
	if len(g.queue) > g.max {
		g.forgetFirst()
	}
}

// forget drops what has ended at now.
func (g *graveyard) forget(now time.Duration) {
	for len(g.queue) > 0 && g.queue[0].until <= now {
		g.forgetFirst()
	}
}

func (g *graveyard) forgetFirst() {
	first := g.queue[0]
	g.queue = g.queue[1:]
	if g.stones[first.key].until == first.until { // else it was buried again since
		delete(g.stones, first.key)
	}
}
