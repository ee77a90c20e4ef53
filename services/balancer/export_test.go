package balancer

import (
	"slices"
	"strings"
)

// Candidate gives tests the fields of a candidate.
type Candidate struct {
	*Endpoint
	Weight, Full float64
}

// Candidates returns the candidates that Pick chooses from, sorted by id.
func (b *Balancer) Candidates() []Candidate {
	var all []Candidate
	for _, block := range b.view.Load().candidates.blocks {
		for _, c := range block.list {
			all = append(all, Candidate{c.Endpoint, float64(c.weight), float64(c.full)})
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int { return strings.Compare(a.Server().ID, b.Server().ID) })
	return all
}

// CurrentCandidates returns the candidates for a comparison by identity.
func (b *Balancer) CurrentCandidates() any { return b.view.Load().candidates }

// constantPicker always returns the same endpoint.
type constantPicker struct{ *Endpoint }

func (p constantPicker) pick(*candidates, uint64) *Endpoint { return p.Endpoint }

// PickAlways makes the picker of the configured policy return the first candidate for every key. Call it while no other goroutine uses b.
func (b *Balancer) PickAlways() { b.picker = constantPicker{b.Candidates()[0].Endpoint} }
