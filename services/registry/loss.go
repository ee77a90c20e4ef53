package registry

import (
	"fmt"
	"math/bits"
	"time"
)

// Gaps in seq show how many heartbeats are lost. They do not show which nsqd lost them, because a server publishes each
// heartbeat to a random nsqd; canaries show the loss of each nsqd. A heartbeat counts as lost when it has not arrived, but
// lossWindow later heartbeats of its server have. So a wrong order is no loss. Heartbeats without seq are not counted.
const (
	lossWindow = 8               // a missing heartbeat counts as lost after this many later heartbeats: by default after 8 intervals of 5 s
	lossPeriod = time.Minute     // length of a period; the rate of loss covers the current and the previous period
	lossLimit  = 0.01            // the description of the mode mentions the rate of loss if it is above this
	lossLeast  = 3               // with fewer lost heartbeats the description of the mode does not mention the rate of loss
	lossJump   = 1 << lossWindow // a gap in seq of this length or more starts a new sequence, so nothing in the gap counts as lost
)

// tally counts heartbeats that were due, by seq, and how many of them were lost.
type tally struct{ due, lost uint64 }

func (t tally) add(u tally) tally { return tally{t.due + u.due, t.lost + u.lost} }

func (t tally) rate() float64 {
	if t.due == 0 {
		return 0
	}
	return float64(t.lost) / float64(t.due)
}

// losses holds the tallies since the start, of the current period, and of the previous period.
type losses struct {
	all, now, before tally
	since            time.Duration
}

func (l *losses) add(t tally) {
	l.all, l.now = l.all.add(t), l.now.add(t)
}

// The method turn begins a new period when the current period is over.
func (l *losses) turn(now time.Duration) {
	if now-l.since >= lossPeriod {
		l.before, l.now, l.since = l.now, tally{}, now
	}
}

func (l *losses) recent() tally { return l.now.add(l.before) }

// remark returns a sentence about the loss of heartbeats. It returns "" if the loss is low.
func (l *losses) remark() string {
	t := l.recent()
	if t.lost < lossLeast || t.rate() <= lossLimit {
		return ""
	}
	return fmt.Sprintf("%.1f %% of the heartbeats of the last minutes were lost (%d of %d, by gaps in seq): check the loss of each nsqd, and its --mem-queue-size",
		100*t.rate(), t.lost, t.due)
}

// The type arrived is a bit set of the heartbeats before the newest one that have arrived: bit i stands for the heartbeat whose
// seq is i+1 below the newest seq.
type arrived uint8

// allArrived is the bit set after the first heartbeat of a server: no heartbeat before the first one counts as missing.
const allArrived arrived = 1<<lossWindow - 1

// advance notes a heartbeat whose seq is above the newest seq; the parameter step is the difference. It returns the tally of the
// older heartbeats that leave the window.
func (a *arrived) advance(step uint64) tally {
	if step >= lossJump {
		*a = allArrived
		return tally{}
	}
	window := uint(*a)<<1 | 1 // add the newest heartbeat
	out := window
	if *a = 0; step <= lossWindow {
		window <<= step
		out = window >> (lossWindow + 1)
		*a = arrived(window >> 1)
	}
	return tally{due: step, lost: step - uint64(bits.OnesCount(out))}
}

// The method late notes the arrival of a heartbeat whose seq is below the newest seq; the parameter behind is the difference.
func (a *arrived) late(behind uint64) {
	if behind-1 < lossWindow {
		*a |= 1 << (behind - 1)
	}
}

// The method count notes the heartbeat b if it is the first heartbeat of r, or if its seq is above the newest seq of r.
func (l *losses) count(r *record, b *arrival) {
	switch {
	case b.Seq == 0:
	case r.kept == 0 || r.ordinal == 0:
		r.arrived = allArrived
	case b.ordinal > r.ordinal:
		l.add(r.arrived.advance(b.ordinal - r.ordinal))
	}
}
