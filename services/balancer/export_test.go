package balancer

// Candidate gives tests the fields of a candidate.
type Candidate struct {
	*Endpoint
	Weight, Full float64
}

// Candidates returns the candidates that Pick chooses from.
func (b *Balancer) Candidates() []Candidate {
	var all []Candidate
	for _, c := range b.view.Load().candidates {
		all = append(all, Candidate{c.Endpoint, c.weight, c.full})
	}
	return all
}

// CurrentPicker returns the picker of the configured policy. Tests compare pickers by identity.
func (b *Balancer) CurrentPicker() any { return b.view.Load().picker }

// constantPicker always returns the same endpoint.
type constantPicker struct{ *Endpoint }

func (p constantPicker) pick(uint64) *Endpoint { return p.Endpoint }

// PickAlways makes the picker return the first candidate for every key, until the candidates change.
func (b *Balancer) PickAlways() {
	b.view.Load().picker = constantPicker{b.view.Load().candidates[0].Endpoint}
}
