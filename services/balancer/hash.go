package balancer

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Each key belongs to one of a fixed number of slots, and each slot to a server. The number of slots of a server is random: if n slots are
// expected, it deviates by about √n. So a server should have at least about 50 slots; the deviation is then 14 %.
const (
	slotBits = 16
	slots    = 1 << slotBits
)

// rendezvous assigns each slot to the server with the lowest score: highest random weight by Thaler and Ravishankar, "Using name-based
// mappings to increase hit rates" (1998). If a server is added or removed, only the slots that this server gains or loses change their
// owner. The formula of the score comes from Schindelhauer and Schomaker, "Weighted distributed hash tables" (2005). A hash of the slot and
// of the server's id yields a number u, which is uniformly distributed between 0 and 1:
//
//	score = −ln(1−u) / weight
//
// The score has an exponential distribution with the weight as its rate, so that each server has the lowest score for a part of the slots
// in proportion to its weight. Because −ln(1−u) ≥ u, comparing u / weight rules out most servers without computing a logarithm.
//
// The owner of a slot is computed when a request needs it, and then kept in a table. This takes 3 us among 1000 servers and 0.3 ms among
// 100 000. All slots at once would take 20 s among 100 000 servers, and no request could wait for that. The weights are the full weights of
// the servers, without the reduction of a slow start: with growing weights, keys would move to a new server in many steps, and each key that
// moves finds a cold cache. An owner depends only on ids and weights, so that all processes with the same candidates agree.
type rendezvous struct {
	table atomic.Pointer[table] // nil before the first pick

	mu      sync.Mutex  // protects the field below, and writes of the table; a pick only tries to lock it
	current *candidates // candidates to which the table applies
}

// table has the owners of the slots that are known. It takes 1 MiB.
type table struct {
	owner [slots]atomic.Pointer[Endpoint] // nil: unknown
	score [slots]float64                  // score of the owner; protected by rendezvous.mu
}

// few is the number of candidates up to which every pick computes the owner. This takes about 0.1 us, and no table is needed.
const few = 32

// many is the number of changed servers above which the table is cleared. Fewer changes are applied to the table, which takes up to 0.2 ms
// for each.
const many = 32

// slack widens the comparison that rules out servers without a logarithm, so that rounding cannot rule out the server with the lowest
// score. Otherwise the owner would depend on the order in which servers are compared.
const slack = 1 + 1e-9

// bid is the score of a server for a slot.
type bid struct {
	score  float64
	server *Endpoint // nil: no server
}

// less reports whether a wins against b. Of two servers with equal scores, the lower id wins.
func (a bid) less(b bid) bool {
	return a.score < b.score || a.score == b.score && a.server.Server().ID < b.server.Server().ID
}

// draw returns the number u of a slot and a server (see rendezvous). Each u is uniformly distributed between 0 and 1. It is one step of the
// random number generator SplitMix64, seeded by the hash of the server's id.
func draw(hash, slot uint64) float64 {
	return (float64(mix(hash+slot*0x9e3779b97f4a7c15)>>12) + 0.5) / (1 << 52)
}

// best returns the lowest bid for a slot among the candidates that are not in the slice tried. If all of them are in it, the field server of
// the returned bid is nil.
func best(c *candidates, slot uint64, tried []*Endpoint) bid {
	best := bid{math.Inf(1), nil}
	for _, b := range c.blocks {
		for i := range b.list {
			d := &b.list[i]
			u, weight := draw(d.hash, slot), float64(d.full)
			if u > best.score*weight*slack {
				continue
			}
			if b := (bid{-math.Log1p(-u) / weight, d.Endpoint}); b.less(best) && !slices.Contains(tried, d.Endpoint) {
				best = b
			}
		}
	}
	return best
}

// slotOf returns the slot of a key. It hashes the key, so that callers may use keys such as numbers in sequence.
func slotOf(key uint64) uint64 { return mix(key) >> (64 - slotBits) }

func (r *rendezvous) pick(c *candidates, key uint64) *Endpoint {
	slot := slotOf(key)
	if c.count <= few {
		return best(c, slot, nil).server
	}
	if t := r.table.Load(); t != nil {
		if owner := t.owner[slot].Load(); owner != nil {
			return owner
		}
	}
	b := best(c, slot, nil)
	r.keep(c, slot, b)
	return b.server
}

func (r *rendezvous) pickNext(c *candidates, key uint64, tried []*Endpoint) *Endpoint {
	return best(c, slotOf(key), tried).server
}

// keep stores the owner of a slot among the candidates c. It does nothing if the candidates have changed since, or if another goroutine is
// writing: the next pick of the slot computes the owner again.
func (r *rendezvous) keep(c *candidates, slot uint64, b bid) {
	if !r.mu.TryLock() {
		return
	}
	defer r.mu.Unlock()
	if c != r.current {
		return
	}
	t := r.table.Load()
	if t == nil {
		t = &table{}
		r.table.Store(t)
	}
	t.score[slot] = b.score
	t.owner[slot].Store(b.server)
}

// follow forgets the slots of servers that left or have another weight, and lets servers bid that were added or have another weight.
func (r *rendezvous) follow(c *candidates, changes []change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = c
	t := r.table.Load()
	if t == nil {
		return
	}
	moved := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return c.was.full == c.is.full })
	switch {
	case c.count <= few:
		r.table.Store(nil)
		return
	case changes == nil || len(moved) > many:
		t.clear()
		return
	}
	for _, change := range moved {
		if change.was.full > 0 {
			t.forget(change.Endpoint)
		}
		if change.is.full > 0 {
			t.bid(change.Endpoint, KeyOf(change.Server().ID), float64(change.is.full))
		}
	}
}

// clear makes all owners unknown. A new table for each change of many servers would be a lot of garbage.
func (t *table) clear() {
	for slot := range t.owner {
		if t.owner[slot].Load() != nil {
			t.owner[slot].Store(nil)
		}
	}
}

// forget makes the owner unknown for all slots of a server.
func (t *table) forget(e *Endpoint) {
	for slot := range t.owner {
		if t.owner[slot].Load() == e {
			t.owner[slot].Store(nil)
		}
	}
}

// bid assigns to a server each known slot for which the score of the server is lower than the score of the owner.
func (t *table) bid(e *Endpoint, hash uint64, weight float64) {
	limit := weight * slack
	for slot := range t.owner {
		u := draw(hash, uint64(slot))
		if u > t.score[slot]*limit {
			continue
		}
		owner := t.owner[slot].Load()
		if owner == nil {
			continue
		}
		if b := (bid{-math.Log1p(-u) / weight, e}); b.less(bid{t.score[slot], owner}) {
			t.score[slot] = b.score
			t.owner[slot].Store(e)
		}
	}
}
