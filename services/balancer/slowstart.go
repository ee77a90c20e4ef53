package balancer

import (
	"math"
	"time"
)

// A new server begins with a tenth of its share: enough to warm caches and to show that it works.
// The share grows in steps so that a slow start does not make a new Picker at every Tick
// for as long as it takes; with the default of 10 s a step is about a Tick.
const (
	firstShare = 0.1
	shareSteps = 40
)

// share is the part of its weight that a server has had since for, linear from firstShare to 1.
func share(since, over time.Duration) float64 {
	if over <= 0 || since >= over {
		return 1
	}
	part := firstShare + (1-firstShare)*float64(since)/float64(over)
	return max(firstShare, math.Floor(part*shareSteps)/shareSteps)
}

// candidate is e with its share at now.
func (b *Balancer) candidate(e *Endpoint, now time.Time) Candidate {
	full := float64(e.Server().Weight)
	c := Candidate{Endpoint: e, Weight: full, Full: full}
	if !e.first.IsZero() {
		c.Weight *= share(now.Sub(e.first), b.cfg.SlowStart)
	}
	return c
}
