package balancer

// leastLoad draws two candidates by weight and takes the one with the lower score. On a tie, or if both are idle, it takes the first.
//
//	score = (estimate + own requests in flight + 1) / weight
//
// The estimate (see Balancer.Load) comes from the server's reports, which cover the requests of all API servers but are seconds old. The
// requests of this process are known at once. A request of this process counts twice once the server has reported it; this holds for all
// servers alike. If leastLoad compared all candidates instead of two, every API server would choose the same server until that server's
// next report.
type leastLoad struct{}

func (leastLoad) pick(c *candidates, _ uint64) *Endpoint {
	a, b := c.pair()
	return lighter(a, b, a.Load()+float64(a.InFlight()), b.Load()+float64(b.InFlight()))
}
