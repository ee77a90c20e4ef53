package registry

import "time"

// moment is one point in time on two clocks: the wall clock, for events, and the monotonic clock of the state, for decisions.
type moment struct {
	at  time.Time
	now time.Duration // time since the first receipt or tick, which is the epoch of the state
}

func (s *state) moment(t time.Time) moment { return moment{t, s.since(t)} }

// wall returns the wall time as views and events show it.
func (m moment) wall() time.Time { return wall(m.at.UnixNano()) }

// wall converts Unix nanoseconds to the form that views and events show: UTC, in milliseconds.
func wall(unixNano int64) time.Time { return time.Unix(0, unixNano).UTC().Truncate(time.Millisecond) }

// leaseTime is a time of the lease clock, which stands still or runs slowly while messages do not arrive: see leaseClock. A
// leaseTime cannot be compared with other times.
type leaseTime time.Duration

func (t leaseTime) add(d time.Duration) leaseTime { return t + leaseTime(d) }

func (t leaseTime) sub(u leaseTime) time.Duration { return time.Duration(t - u) }
