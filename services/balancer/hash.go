package balancer

import (
	"math"
	"slices"
)

// A key is one of so many slots, and each slot has an owner. With fewer slots than about 50 a server the
// shares would be uneven: n slots are uneven by 1/√n. A table takes 12 bytes a slot.
const (
	slotBits = 16
	slots    = 1 << slotBits
)

// rendezvous gives each slot to the server with the lowest score there: highest random weight, by Thaler and
// Ravishankar, "Using name-based mappings to increase hit rates" (1998). Where a server comes or goes only
// what it wins or had changes hands. The score is that of weighted distributed hash tables, by
// Schindelhauer and Schomaker (2005): with u uniform in (0, 1) by hashing the slot and the server's id,
//
//	score = −ln(1−u) / weight
//
// which is exponential with the weight as its rate, so that each server has the lowest in proportion to
// its weight. As −ln(1−u) ≥ u, most servers lose without a logarithm.
//
// The table is worked out ahead, since a thousand scores a request are too many, and the next one is
// derived from it. Weights are the full ones: a slow start would move a key to the new server
// bit by bit, and each key that moves is a cold cache. It depends on ids and weights only, so processes
// with the same candidates agree.
type rendezvous struct {
	servers []bidder // in order of id
	owner   []int32  // of each slot, in servers
	score   []float64
}

// bidder is a server that wants slots.
type bidder struct {
	*Endpoint
	weight float64
}

// bid is what a server offers for a slot.
type bid struct {
	score  float64
	server int32 // decides a tie; none is below any
}

const none = math.MaxInt32

func (a bid) beats(b bid) bool { return a.score < b.score || a.score == b.score && a.server < b.server }

// slack keeps rounding from deciding: who is ruled out without a logarithm would have lost with it, so
// the table does not depend on the order of the bids.
const slack = 1 + 1e-9

func newRendezvous(candidates []Candidate, previous Picker) Picker {
	r := &rendezvous{servers: make([]bidder, len(candidates))}
	for i, c := range candidates {
		r.servers[i] = bidder{c.Endpoint, c.Full}
	}
	old, ok := previous.(*rendezvous)
	switch {
	case !ok:
		r.build(slots)
	case slices.Equal(old.servers, r.servers):
		return old
	default:
		r.derive(old)
	}
	return r
}

// build lets everybody bid for all of n slots.
func (r *rendezvous) build(n int) {
	r.owner = make([]int32, n)
	r.score = make([]float64, n)
	for slot := range r.owner {
		r.owner[slot], r.score[slot] = none, math.Inf(1)
	}
	for i := range r.servers {
		r.bidForAll(int32(i))
	}
}

// derive takes over what has not changed: everybody bids for the slots of those who went, and those who
// came bid for all. A server whose weight has changed goes and comes.
func (r *rendezvous) derive(old *rendezvous) {
	place := make([]int32, len(old.servers)) // of the old servers among the new
	var came []int32
	j := 0
	for i, s := range r.servers {
		for ; j < len(old.servers) && old.servers[j].id < s.id; j++ {
			place[j] = none
		}
		if j < len(old.servers) && old.servers[j].id == s.id && old.servers[j].weight == s.weight {
			place[j] = int32(i)
			j++
		} else {
			came = append(came, int32(i))
		}
	}
	for ; j < len(old.servers); j++ {
		place[j] = none
	}
	if 2*len(came) > len(r.servers) { // most would bid for what is orphaned twice
		r.build(len(old.owner))
		return
	}
	r.owner = make([]int32, len(old.owner))
	r.score = slices.Clone(old.score)
	for slot, owner := range old.owner {
		r.owner[slot] = place[owner]
		if place[owner] == none {
			b := r.best(uint64(slot), nil)
			r.owner[slot], r.score[slot] = b.server, b.score
		}
	}
	for _, i := range came {
		r.bidForAll(i)
	}
}

// draw is u for a slot and a server, uniform in (0, 1): a step of the SplitMix64 that the id seeds.
func draw(hash, slot uint64) float64 {
	return (float64(mix(hash+slot*0x9e3779b97f4a7c15)>>12) + 0.5) / (1 << 52)
}

// bidForAll gives server i each slot in which it beats the owner.
func (r *rendezvous) bidForAll(i int32) {
	s := &r.servers[i]
	hash, weight, score := s.hash, s.weight, r.score
	limit := weight * slack
	for slot := range score {
		u := draw(hash, uint64(slot))
		if u > score[slot]*limit {
			continue
		}
		if b := (bid{-math.Log1p(-u) / weight, i}); b.beats(bid{score[slot], r.owner[slot]}) {
			score[slot], r.owner[slot] = b.score, b.server
		}
	}
}

// best returns the lowest bid for a slot, of those not in tried. Without any the server is none.
func (r *rendezvous) best(slot uint64, tried []*Endpoint) bid {
	best := bid{math.Inf(1), none}
	for i := range r.servers {
		s := &r.servers[i]
		u := draw(s.hash, slot)
		if u > best.score*s.weight*slack {
			continue
		}
		if b := (bid{-math.Log1p(-u) / s.weight, int32(i)}); b.beats(best) && !slices.Contains(tried, s.Endpoint) {
			best = b
		}
	}
	return best
}

// slotOf spreads keys that are no hashes, too.
func slotOf(key uint64) uint64 { return mix(key) >> (64 - slotBits) }

func (r *rendezvous) Pick(key uint64) *Endpoint { return r.servers[r.owner[slotOf(key)]].Endpoint }

func (r *rendezvous) PickNext(key uint64, tried []*Endpoint) *Endpoint {
	b := r.best(slotOf(key), tried)
	if b.server == none {
		return nil
	}
	return r.servers[b.server].Endpoint
}
