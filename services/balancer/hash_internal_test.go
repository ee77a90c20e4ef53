package balancer

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rollcall/events"
)

// TestDerivedTableEqualsBuiltTable compares a table that was derived change by change with a table that was built at once.
func TestDerivedTableEqualsBuiltTable(t *testing.T) {
	const n = 1 << 9
	rapid.Check(t, func(t *rapid.T) {
		weights := make(map[string]int)
		endpoints := make(map[string]*Endpoint)
		derived := (*rendezvous)(nil)
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			for range rapid.IntRange(1, 4).Draw(t, "at once") {
				id := rapid.StringMatching("[a-h]").Draw(t, "id")
				weights[id] = rapid.SampledFrom([]int{0, 1, 100, 100, 1000}).Draw(t, "weight")
				if endpoints[id] == nil {
					endpoints[id] = &Endpoint{id: id, hash: KeyOf(id)}
				}
				endpoints[id].server.Store(&events.Server{ID: id})
			}
			var bidders []bidder
			for id, w := range weights {
				if w > 0 {
					bidders = append(bidders, bidder{endpoints[id], float64(w)})
				}
			}
			if len(bidders) == 0 {
				continue
			}
			slices.SortFunc(bidders, func(a, b bidder) int { return int(a.id[0]) - int(b.id[0]) })
			built, next := &rendezvous{servers: bidders}, &rendezvous{servers: bidders}
			built.build(n)
			if derived == nil {
				next.build(n)
			} else {
				next.derive(derived)
			}
			derived = next
			if !slices.Equal(built.owner, derived.owner) || !slices.Equal(built.score, derived.score) {
				t.Fatalf("the tables differ for %v", weights)
			}
			for slot := range built.owner {
				if b := built.best(uint64(slot), nil); b.server != built.owner[slot] || b.score != built.score[slot] {
					t.Fatalf("slot %d: the best bid is %v, but the owner is %d", slot, b, built.owner[slot])
				}
			}
		}
	})
}
