package balancer

// random draws one candidate in proportion to the weights.
type random struct{ lottery }

func (r *random) pick(uint64) *Endpoint { return r.candidates[r.draw()].Endpoint }
