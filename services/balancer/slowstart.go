package balancer

import (
	"math"
	"time"
)

// The slow start of a new server begins with a tenth of its weight: enough traffic to warm its caches and to show that it works. The
// weight grows in steps, because every change of a weight copies a block of servers. With the default SlowStart of 10 s, a step (a fortieth of
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

// weightsOf returns the weights of a server at the time now.
func (b *Balancer) weightsOf(e *Endpoint, now time.Time) weights {
	full := float32(e.Server().Weight)
	w := weights{full, full}
	if e.past != nil && !e.past.startedAt.IsZero() {
		w.weight *= float32(share(now.Sub(e.past.startedAt), b.cfg.SlowStart))
	}
	return w
}

// isStarting reports whether the server has a reduced weight. The server must not be excluded.
func (b *Balancer) isStarting(e *Endpoint) bool {
	w := b.groups[e.usability].at(e)
	return w.weight < w.full
}

// start begins the slow start of a server.
func (b *Balancer) start(e *Endpoint) {
	if b.cfg.SlowStart <= 0 {
		return
	}
	if b.starting == nil {
		b.starting = make(map[*Endpoint]struct{})
	}
	b.starting[e] = struct{}{}
}

// grow adapts the weights of servers in their slow start to the time now.
func (b *Balancer) grow(now time.Time) {
	for e := range b.starting {
		b.place(e, now)
		if now.Sub(e.past.startedAt) >= b.cfg.SlowStart {
			delete(b.starting, e)
		}
	}
}
