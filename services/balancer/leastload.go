package balancer

// leastLoad takes, of two drawn by weight, the one with the lower score; on a tie the first.
//
//	score = (estimate + own requests in flight) / weight
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
	if (b.Load()+float64(b.InFlight()))*a.Weight < (a.Load()+float64(a.InFlight()))*b.Weight {
		return b.Endpoint
	}
	return a.Endpoint
}
