package balancer

// leastLoad takes, of two drawn by weight, the one with the lower score; of two that have nothing to do, or on a tie, the first.
//
//	score = (estimate + own requests in flight + 1) / weight
//
// The estimate is what the server itself says (see Load): it knows of the requests of every API server,
// but seconds late. The own requests are known at once, and are counted twice once the server has
// reported them, by all alike. The best of all instead of two would send every API server to
// the same one until its next report.
type leastLoad struct{ lottery }

func newLeastLoad(candidates []Candidate, _ Picker) Picker {
	return &leastLoad{newLottery(candidates)}
}

func (l *leastLoad) Pick(uint64) *Endpoint {
	a, b := l.pair()
	return lighter(a, b, a.Load()+float64(a.InFlight()), b.Load()+float64(b.InFlight()))
}
