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

// weight returns the weight of the report in the estimate (see loads) at the time now; the mean of all servers has the rest of
// the weight. A new report has the weight 1, which halves with each heartbeat interval.
func (r *report) weight(now time.Time) float64 {
	return math.Exp2(-max(0, float64(now.Sub(r.at))/float64(r.halfLife)))
}

// Report is the load that a server reported in a heartbeat.
type Report struct {
	Server   *events.Server // the server that reported: its ID, Incarnation and IntervalMS count
	InFlight int64          // requests in flight at the server; negative numbers count as 0
	Age      time.Duration  // age of the report at the time of Load
}

// Load records the loads that servers reported; the next Tick uses them. Load ignores servers that are not members, and other incarnations of
// members. It changes neither the candidates nor their weights. Report the loads of many servers in parts, so that other callers can take the
// lock in between.
func (b *Balancer) Load(reports []Report, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range reports {
		e := b.endpoints[r.Server.ID]
		if e == nil || !e.isMember() || e.Server().Incarnation != r.Server.Incarnation {
			continue
		}
		halfLife := time.Duration(r.Server.IntervalMS) * time.Millisecond
		if halfLife <= 0 {
			halfLife = defaultInterval
		}
		b.loads.set(e, report{float64(max(0, r.InFlight)), now.Add(-r.Age), halfLife})
	}
}

// estimateEvery is the interval at which the estimates of all candidates are renewed if no server reports its load.
const estimateEvery = time.Second

// loads computes the load of each candidate:
//
//	estimate = mean + (reported − mean) · 2^(−age / interval)
//
// The mean is the sum of the reported loads, divided among the servers by weight. The mean is also the estimate for a server that has not
// reported its load. Old reports lose their influence: otherwise all clients would send their requests to the server that was idle when it
// reported. See Mitzenmacher, "How useful is old information?" (2000).
//
// The zero value is ready for use. The methods are for the holder of Balancer.mu.
type loads struct {
	reported  bool      // at least one server has reported its load
	stale     bool      // a server has reported its load since the last estimates
	at        time.Time // time of the last estimates
	perWeight float64   // mean load for a weight of 1, as of the last estimates
}

func (l *loads) set(e *Endpoint, r report) {
	e.recall().report = r
	l.reported, l.stale = true, true
}

// remove deletes the report of a server.
func (l *loads) remove(e *Endpoint) {
	if e.past != nil && !e.past.report.at.IsZero() {
		e.past.report = report{}
		l.stale = true
	}
}

// estimateAll renews the estimates of all candidates, if servers have reported loads or the estimates are old.
func (l *loads) estimateAll(c *candidates, now time.Time) {
	if !l.reported || !l.stale && now.Sub(l.at) < estimateEvery {
		return
	}
	l.stale, l.at = false, now
	var sum, weight float64
	for _, b := range c.blocks {
		for i := range b.list {
			if p := b.list[i].past; p != nil && !p.report.at.IsZero() {
				sum += p.report.inFlight
				weight += float64(b.list[i].weight)
			}
		}
	}
	l.perWeight = 0
	if weight > 0 {
		l.perWeight = sum / weight
	}
	for _, b := range c.blocks {
		for i := range b.list {
			l.estimate(b.list[i].Endpoint, b.list[i].weight, now)
		}
	}
}

// follow estimates the loads of servers that became candidates.
func (l *loads) follow(c *candidates, changes []change, now time.Time) {
	if changes == nil {
		l.stale = true
		l.estimateAll(c, now)
		return
	}
	for _, change := range changes {
		if l.reported && change.is.weight > 0 {
			l.estimate(change.Endpoint, change.is.weight, now)
		}
	}
}

func (l *loads) estimate(e *Endpoint, weight float32, now time.Time) {
	estimate := l.perWeight * float64(weight)
	if p := e.past; p != nil && !p.report.at.IsZero() {
		estimate += (p.report.inFlight - estimate) * p.report.weight(now)
	}
	e.load.Store(math.Float64bits(estimate))
}
