package registry

import (
	"fmt"
	"math/bits"
	"time"
)

// The loss of heartbeats shows in gaps of seq. Where it happened does not, because a server publishes each heartbeat to a
// random nsqd; the canaries tell that. A heartbeat counts as lost when lossWindow later ones of its server have come and it
// has not, so disorder is no loss. Senders without seq count for nothing.
const (
	lossWindow = 8               // heartbeats, 40 s by default
	lossPeriod = time.Minute     // the rate is over this period and the one before
	lossLimit  = 0.01            // where a sentence tells of it
	lossLeast  = 3               // heartbeats lost; fewer are no rate
	lossJump   = 1 << lossWindow // a gap as long as this is no loss, but another sequence
)

// tally is heartbeats that were due, by seq, and those of them that were lost.
type tally struct{ due, lost uint64 }

func (t tally) add(u tally) tally { return tally{t.due + u.due, t.lost + u.lost} }

func (t tally) rate() float64 {
	if t.due == 0 {
		return 0
	}
	return float64(t.lost) / float64(t.due)
}

// losses are those since the start, of this period, and of the one before.
type losses struct {
	all, now, before tally
	since            time.Duration
}

func (l *losses) add(t tally) {
	l.all, l.now = l.all.add(t), l.now.add(t)
}

// turn begins a new period when it is time.
func (l *losses) turn(now time.Duration) {
	if now-l.since >= lossPeriod {
		l.before, l.now, l.since = l.now, tally{}, now
	}
}

func (l *losses) recent() tally { return l.now.add(l.before) }

// remark says in words that heartbeats are lost; empty if it is not worth it.
func (l *losses) remark() string {
	t := l.recent()
	if t.lost < lossLeast || t.rate() <= lossLimit {
		return ""
	}
	return fmt.Sprintf("%.1f %% of the heartbeats of the last minutes were lost (%d of %d, by gaps in seq): look at the loss of each nsqd and its --mem-queue-size",
		100*t.rate(), t.lost, t.due)
}

// arrived are the heartbeats before the newest one: bit i is set if the one i+1 before it came.
type arrived uint8

// none is missing before the first heartbeat that came.
const allArrived arrived = 1<<lossWindow - 1

// advance moves on to a seq that is newer by step, and returns what leaves the window.
func (a *arrived) advance(step uint64) tally {
	if step >= lossJump {
		*a = allArrived
		return tally{}
	}
	window := uint(*a)<<1 | 1 // with the newest one
	out := window
	if *a = 0; step <= lossWindow {
		window <<= step
		out = window >> (lossWindow + 1)
		*a = arrived(window >> 1)
	}
	return tally{due: step, lost: step - uint64(bits.OnesCount(out))}
}

// late notes one that came behind the newest one, by so many.
func (a *arrived) late(behind uint64) {
	if behind-1 < lossWindow {
		*a |= 1 << (behind - 1)
	}
}

// count notes a heartbeat in order: it is the first one that is known, or newer than the newest.
func (l *losses) count(r *record, b *arrival) {
	switch {
	case b.Seq == 0:
	case r.heard == 0 || r.ordinal == 0:
		r.arrived = allArrived
	case b.ordinal > r.ordinal:
		l.add(r.arrived.advance(b.ordinal - r.ordinal))
	}
}
