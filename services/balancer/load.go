package balancer

import (
	"math"
	"time"

	"rollcall/events"
)

// defaultInterval is the half-life of the report of a server that does not say how often it beats.
const defaultInterval = 5 * time.Second

// report is what a server said of its load.
type report struct {
	inFlight float64
	at       time.Time // when; zero: never
	halfLife time.Duration
}

// weight of the report at now, against the mean: 1 when it is made, a half after an interval.
func (r *report) weight(now time.Time) float64 {
	return math.Exp2(-max(0, float64(now.Sub(r.at))/float64(r.halfLife)))
}

// Load takes how busy the servers say they are. AgeMS of each must be its age at now. Servers that are not
// members, or of another incarnation, and those without a figure are passed over. It does not change
// who may be chosen, nor the shares. Load and Update exclude each other.
//
// Update takes no figures: those of a membership are as old as each server's last transition.
func (b *Balancer) Load(servers []*events.Server, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range servers {
		if s == nil || s.Load == nil {
			continue
		}
		e := b.endpoints[s.ID]
		if e == nil || !e.member() || e.Server().Incarnation != s.Incarnation {
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

// estimate works out what each candidate is thought to serve at now:
//
//	estimate = mean + (reported − mean) · 2^(−age / interval)
//
// The mean is what the candidates reported, spread over them by weight, so that it is the same for
// all per unit of weight. Who has reported nothing is thought to have the mean. An old report says
// little of now: choosing by it sends everybody to the one that was idle then; see Mitzenmacher,
// "How useful is old information?" (2000).
func (b *Balancer) estimate(candidates []Candidate, now time.Time) {
	if !b.reported {
		return
	}
	var sum, weight float64
	for _, c := range candidates {
		if r := &c.report; !r.at.IsZero() {
			sum += r.inFlight
			weight += c.Weight
		}
	}
	perWeight := 0.0
	if weight > 0 {
		perWeight = sum / weight
	}
	for _, c := range candidates {
		estimate := perWeight * c.Weight
		if r := &c.report; !r.at.IsZero() {
			estimate += (r.inFlight - estimate) * r.weight(now)
		}
		c.load.Store(math.Float64bits(estimate))
	}
}
