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
	return weights{b.grown(full, e, now), full}
}

// grown returns the weight that a server has at the time now, if it has the given weight after the slow start.
func (b *Balancer) grown(full float32, e *Endpoint, now time.Time) float32 {
	if e.past == nil || e.past.startedAt.IsZero() {
		return full
	}
	return full * float32(share(now.Sub(e.past.startedAt), b.cfg.SlowStart))
}

// grow adapts the weights of servers in their slow start to the time now. Like Change, it works in slices. It reads the servers block by
// block, because 100 000 servers in another order would take ten times as long to read from memory.
func (b *Balancer) grow(now time.Time) {
	for u := range b.groups {
		g := &b.groups[u]
		for i := 0; i < len(g.blocks) && g.starting > 0; i++ {
			for _, c := range g.blocks[i].list {
				if c.starting() == 0 {
					continue
				}
				if w := (weights{b.grown(c.full, c.Endpoint, now), c.full}); w != c.weights {
					b.touch(c.Endpoint)
					g.set(c.Endpoint, w)
				}
			}
			b.pause(now)
		}
	}
}

// isStarting reports whether a server has a reduced weight.
func (b *Balancer) isStarting() bool {
	for u := range b.groups {
		if b.groups[u].starting > 0 {
			return true
		}
	}
	return false
}
