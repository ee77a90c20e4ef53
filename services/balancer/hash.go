package balancer

import (
	"math"
	"slices"
)

// Each key belongs to one of a fixed number of slots, and each slot to a server. The number of slots of a server is random: if n slots are
// expected, it deviates by about √n. So a server should have at least about 50 slots; the deviation is then 14 %. The table takes 12 bytes
// for each slot.
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
// The owners of all slots are computed when the candidates change, because a thousand scores for each request would be too slow. Each
// table is derived from the previous table. The weights are the full weights of the servers, without the reduction of a slow start: with
// growing weights, keys would move to a new server in many steps, and each key that moves finds a cold cache. The table depends only on
// ids and weights, so that all processes with the same candidates agree.
type rendezvous struct {
	servers []bidder  // all candidates, sorted by id
	owner   []int32   // for each slot, the index of its owner in the field servers
	score   []float64 // for each slot, the score of its owner
}

// bidder is a server with its full weight.
type bidder struct {
	*Endpoint
	weight float64
}

// bid is the score of a server for a slot.
type bid struct {
	score  float64
	server int32 // index in rendezvous.servers, or the constant none; of two bids with equal scores, the lower index wins
}

const none = math.MaxInt32

func (a bid) less(b bid) bool { return a.score < b.score || a.score == b.score && a.server < b.server }

// slack widens the comparison that rules out servers without a logarithm, so that rounding cannot rule out the server with the lowest
// score. Otherwise the table would depend on the order in which servers are compared.
const slack = 1 + 1e-9

func newRendezvous(candidates []candidate, previous picker) picker {
	r := &rendezvous{servers: make([]bidder, len(candidates))}
	for i, c := range candidates {
		r.servers[i] = bidder{c.Endpoint, c.full}
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

// build computes the owners of n slots without a previous table.
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

// derive computes the owners from the parameter old, which is the table of the previous candidates. All servers bid for the slots of
// servers that were removed. Added servers bid for all slots. A server whose weight has changed counts as removed and added.
func (r *rendezvous) derive(old *rendezvous) {
	place := make([]int32, len(old.servers)) // for each server of the old table, its index in r.servers, or the constant none
	var added []int32
	j := 0
	for i, s := range r.servers {
		for ; j < len(old.servers) && old.servers[j].id < s.id; j++ {
			place[j] = none
		}
		if j < len(old.servers) && old.servers[j].id == s.id && old.servers[j].weight == s.weight {
			place[j] = int32(i)
			j++
		} else {
			added = append(added, int32(i))
		}
	}
	for ; j < len(old.servers); j++ {
		place[j] = none
	}
	if 2*len(added) > len(r.servers) { // most servers are new: build is faster, because new servers would bid twice for the slots of removed servers
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
	for _, i := range added {
		r.bidForAll(i)
	}
}

// draw returns the number u of a slot and a server (see rendezvous). Each u is uniformly distributed between 0 and 1. It is one step of the
// random number generator SplitMix64, seeded by the hash of the server's id.
func draw(hash, slot uint64) float64 {
	return (float64(mix(hash+slot*0x9e3779b97f4a7c15)>>12) + 0.5) / (1 << 52)
}

// bidForAll assigns to server i each slot for which the score of server i is lower than the score of the owner.
func (r *rendezvous) bidForAll(i int32) {
	s := &r.servers[i]
	hash, weight, score := s.hash, s.weight, r.score
	limit := weight * slack
	for slot := range score {
		u := draw(hash, uint64(slot))
		if u > score[slot]*limit {
			continue
		}
		if b := (bid{-math.Log1p(-u) / weight, i}); b.less(bid{score[slot], r.owner[slot]}) {
			score[slot], r.owner[slot] = b.score, b.server
		}
	}
}

// best returns the lowest bid for a slot among the servers that are not in the slice tried. If all servers are in it, the field server of
// the returned bid is the constant none.
func (r *rendezvous) best(slot uint64, tried []*Endpoint) bid {
	best := bid{math.Inf(1), none}
	for i := range r.servers {
		s := &r.servers[i]
		u := draw(s.hash, slot)
		if u > best.score*s.weight*slack {
			continue
		}
		if b := (bid{-math.Log1p(-u) / s.weight, int32(i)}); b.less(best) && !slices.Contains(tried, s.Endpoint) {
			best = b
		}
	}
	return best
}

// slotOf returns the slot of a key. It hashes the key, so that callers may use keys such as numbers in sequence.
func slotOf(key uint64) uint64 { return mix(key) >> (64 - slotBits) }

func (r *rendezvous) pick(key uint64) *Endpoint { return r.servers[r.owner[slotOf(key)]].Endpoint }

func (r *rendezvous) pickNext(key uint64, tried []*Endpoint) *Endpoint {
	b := r.best(slotOf(key), tried)
	if b.server == none {
		return nil
	}
	return r.servers[b.server].Endpoint
}
