package balancer

// random draws by weight.
type random struct{ lottery }

func (r *random) pick(uint64) *Endpoint { return r.candidates[r.draw()].Endpoint }
