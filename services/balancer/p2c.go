package balancer

// p2c is the power of two choices: Mitzenmacher, "The power of two choices in randomized load balancing" (2001). It draws two
// candidates by weight and takes the one with the lower score
//
//	score = (requests in flight + 1) / weight
//
// The 1 is the request to be placed. Without it, an idle server of small weight would be preferred to a server of large weight with a
// single request. If both candidates are idle, p2c takes the first, so that idle servers share the requests by weight.
type p2c struct{}

func (p2c) pick(c *candidates, _ uint64) *Endpoint {
	a, b := c.pair()
	return lighter(a, b, float64(a.InFlight()), float64(b.InFlight()))
}

// lighter returns the candidate with the lower (load + 1) / weight. On a tie, or if both loads are 0, it returns the first candidate.
func lighter(a, b *candidate, loadA, loadB float64) *Endpoint {
	if loadA+loadB > 0 && (loadB+1)*float64(a.weight) < (loadA+1)*float64(b.weight) {
		return b.Endpoint
	}
	return a.Endpoint
}
