package balancer

// p2c is the power of two choices: Mitzenmacher, "The power of two choices in randomized load balancing"
// (2001). Two are drawn by weight, and the one is taken that will have fewer requests in flight over weight with this
// one: without it, an idle server of little weight would go before one of much weight with a single request. Of two
// that are idle it is the first: so idle servers share the requests by weight.
type p2c struct{ lottery }

func newP2C(candidates []Candidate, _ Picker) Picker { return &p2c{newLottery(candidates)} }

func (p *p2c) Pick(uint64) *Endpoint {
	a, b := p.pair()
	return lighter(a, b, float64(a.InFlight()), float64(b.InFlight()))
}

// lighter is the one of two that has less to do for its weight once it has one request more; of two that have nothing to
// do, or the same for their weight, it is a.
func lighter(a, b *Candidate, loadA, loadB float64) *Endpoint {
	if loadA+loadB > 0 && (loadB+1)*a.Weight < (loadA+1)*b.Weight {
		return b.Endpoint
	}
	return a.Endpoint
}
