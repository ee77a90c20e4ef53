package balancer

import (
	"math"
	"time"
)

// The slow start of a new server begins with a tenth of its weight: enough traffic to warm its caches and to show that it works. The
// weight grows in steps, because every change of a weight builds a new picker. With the default SlowStart of 10 s, a step (a fortieth of
// the weight) takes about as long as the time between two calls of Tick.
const (
	firstShare = 0.1
	shareSteps = 40
)

// share returns the part of its full weight that a server has when its slow start has lasted for the time elapsed. The part grows in equal
// steps from firstShare to 1.
func share(elapsed, slowStart time.Duration) float64 {
	if slowStart <= 0 || elapsed >= slowStart {
		return 1
	}
	part := firstShare + (1-firstShare)*float64(elapsed)/float64(slowStart)
	return max(firstShare, math.Floor(part*shareSteps)/shareSteps)
}

// candidate returns e as a candidate, with the weight of e at the time now.
func (b *Balancer) candidate(e *Endpoint, now time.Time) candidate {
	full := float64(e.Server().Weight)
	c := candidate{Endpoint: e, weight: full, full: full}
	if !e.startedAt.IsZero() {
		c.weight *= share(now.Sub(e.startedAt), b.cfg.SlowStart)
	}
	return c
}
