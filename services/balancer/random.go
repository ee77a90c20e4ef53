package balancer

// random draws by weight and looks at nothing else.
type random struct{ lottery }

func newRandom(candidates []Candidate, _ Picker) Picker { return &random{newLottery(candidates)} }

func (r *random) Pick(uint64) *Endpoint { return r.candidates[r.draw()].Endpoint }
