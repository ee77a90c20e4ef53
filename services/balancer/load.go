package balancer

import (
	"math"
	"time"

	"rollcall/events"
)

// defaultInterval is the half-life of a reported load if the server does not state its heartbeat interval.
const defaultInterval = 5 * time.Second

// report is the load that a server reported in its last heartbeat.
type report struct {
	inFlight float64
	at       time.Time     // when the server reported its load; zero if it has not reported any
	halfLife time.Duration // age at which the weight of the report is a half
}

// weight returns the weight of the report in the estimate (see Balancer.estimate) at the time now; the mean of all servers has the rest of
// the weight. A new report has the weight 1, which halves with each heartbeat interval.
func (r *report) weight(now time.Time) float64 {
	return math.Exp2(-max(0, float64(now.Sub(r.at))/float64(r.halfLife)))
}

// Load updates the loads that servers reported in their heartbeats. AgeMS of each server must be the age of the report at the time now.
// Load ignores servers that are not members, other incarnations of members, and servers without a reported load. It changes neither the
// candidates nor their weights.
//
// Update does not read loads, because the loads in a membership are as old as the last transition of each server.
func (b *Balancer) Load(servers []*events.Server, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range servers {
		if s == nil || s.Load == nil {
			continue
		}
		e := b.endpoints[s.ID]
		if e == nil || !e.isMember() || e.Server().Incarnation != s.Incarnation {
			continue
		}
		r := report{
			inFlight: float64(max(0, s.Load.InFlight)),
			at:       now.Add(-time.Duration(s.AgeMS) * time.Millisecond),
			halfLife: time.Duration(s.IntervalMS) * time.Millisecond,
		}
		if r.halfLife <= 0 {
			r.halfLife = defaultInterval
		}
		e.report = r
		b.reported = true
	}
	b.estimate(b.view.Load().candidates, now)
}

// estimate computes the load of each candidate at now:
//
//	estimate = mean + (reported − mean) · 2^(−age / interval)
//
// The mean is the sum of the reported loads, divided among the servers by weight. The mean is also the estimate for a server that has not
// reported its load. Old reports lose their influence: otherwise all clients would send their requests to the server that was idle when it
// reported. See Mitzenmacher, "How useful is old information?" (2000).
func (b *Balancer) estimate(candidates []candidate, now time.Time) {
	if !b.reported {
		return
	}
	var sum, weight float64
	for _, c := range candidates {
		if r := &c.report; !r.at.IsZero() {
			sum += r.inFlight
			weight += c.weight
		}
	}
	perWeight := 0.0
	if weight > 0 {
		perWeight = sum / weight
	}
	for _, c := range candidates {
		estimate := perWeight * c.weight
		if r := &c.report; !r.at.IsZero() {
			estimate += (r.inFlight - estimate) * r.weight(now)
		}
		c.load.Store(math.Float64bits(estimate))
	}
}
