package balancer

// p2c is the power of two choices: Mitzenmacher, "The power of two choices in randomized load balancing"
// (2001). Two are drawn by weight, and the one with fewer requests in flight over weight is taken. On a
// tie it is the first: so idle servers share the requests by weight.
type p2c struct{ lottery }

func newP2C(candidates []Candidate, _ Picker) Picker { return &p2c{newLottery(candidates)} }

func (p *p2c) Pick(uint64) *Endpoint {
	a, b := p.pair()
	if float64(b.InFlight())*a.Weight < float64(a.InFlight())*b.Weight {
		return b.Endpoint
	}
	return a.Endpoint
}
