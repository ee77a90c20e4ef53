package pipeline

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// fastRoundTrip is the maximum round trip of a canary from which ClockSkew computes its first estimate for an nsqd.
const fastRoundTrip = time.Second

// ClockSkew computes how long a message waited in NSQ, although nsqd's timestamp and the time of receipt are readings of two clocks. It
// learns the difference of the clocks from the canaries that this process publishes and receives. It is safe for concurrent use; Delay
// takes no lock.
//
// Our clock is the clock of this process: the wall clock at the start of the process plus the monotonic clock since then. Setting the
// wall clock later does not change our clock. The clock of an nsqd is our clock + theta, and theta is unknown. For a message
//
//	raw = received (ours) - timestamp (nsqd's) = delay - theta
//
// By our clock, this process sends a canary at t0, nsqd receives it at t, and this process receives it at t1. The timestamp of the
// canary is s = t + theta, and t is between t0 and t1. So
//
//	t0 - s <= -theta <= t1 - s
//
// The estimate of -theta is base. Each canary moves base by the least amount that puts base between these limits. The first canary sets
// base = t1 - s, which is too high by at most t1 - t0, the round trip of the canary. A round trip of more than a second is too
// inaccurate for the first estimate: the canary is ignored. The upper limits of later canaries lower base. The delay of a message
//
//	delay = max(0, raw - base)
//
// is then wrong by at most the round trip of a canary. A delayed canary has wide limits and does not move base. If the clock of nsqd
// drifts or is set, by any amount, the next canary corrects base. Before the first canary, delay = max(0, raw).
//
// Only canaries change base. A message with raw < base also shows that base is too high, because a delay is not negative. But suppose
// that nsqd's clock is set back by an hour. A message that got its timestamp before the change would lower base by an hour, and every
// healthy heartbeat after it would look an hour old and be dropped. A base that is too high is the lesser error: it makes messages look
// young until the next canary, which follows within about a second. For the same reason, ClockSkew ignores a canary that was sent
// before the newest canary that it has used.
//
// ClockSkew does not notice that this host was suspended, because the monotonic clock stops: until the next canary, messages
// that waited during the suspension look young by its duration.
type ClockSkew struct {
	start time.Time // with a monotonic reading
	wall  int64     // the field start, in Unix nanoseconds

	nsqd atomic.Pointer[map[string]*offset] // by address of the nsqd; Learn replaces the map and never changes it
	mu   sync.Mutex                         // serializes Learn
}

// offset is the estimate for the clock of one nsqd.
type offset struct {
	base  atomic.Int64 // estimate of the clock of this process minus the clock of nsqd, in nanoseconds
	known time.Time    // when this process sent the newest canary that it has used; guarded by ClockSkew.mu
}

// NewClockSkew returns a ClockSkew that has learned nothing yet. The parameter started is the start of the process, as its canaries state
// it. It must have a monotonic reading.
func NewClockSkew(started time.Time) *ClockSkew {
	s := &ClockSkew{start: started, wall: started.UnixNano()}
	s.nsqd.Store(&map[string]*offset{})
	return s
}

// Delay returns how long the message waited in NSQ. It ignores r.Delay.
func (s *ClockSkew) Delay(r events.Receipt) time.Duration {
	raw := s.raw(r)
	if o := (*s.nsqd.Load())[r.Via]; o != nil {
		raw -= time.Duration(o.base.Load())
	}
	return max(0, raw)
}

// Learn updates the estimate for the nsqd whose address is r.Via, from a canary of this process. The parameter r is the receipt of the
// canary, and sent is the time at which the process sent it.
func (s *ClockSkew) Learn(r events.Receipt, sent time.Time) {
	trip := r.ReceivedAt.Sub(sent)
	if trip < 0 { // a forged canary
		return
	}
	high := s.raw(r)
	low := high - trip
	s.mu.Lock()
	defer s.mu.Unlock()
	nsqd := *s.nsqd.Load()
	o := nsqd[r.Via]
	switch {
	case o == nil && trip > fastRoundTrip:
	case o == nil:
		o = &offset{known: sent}
		o.base.Store(int64(high))
		nsqd = maps.Clone(nsqd)
		nsqd[r.Via] = o
		s.nsqd.Store(&nsqd)
	case sent.After(o.known):
		o.known = sent
		o.base.Store(int64(min(max(time.Duration(o.base.Load()), low), high)))
	}
}

// raw returns the time of receipt minus nsqd's timestamp. The time of receipt is by the clock of this process, which does not change when
// somebody sets the wall clock.
func (s *ClockSkew) raw(r events.Receipt) time.Duration {
	return time.Duration(s.wall) + r.ReceivedAt.Sub(s.start) - time.Duration(r.PublishedAt.UnixNano())
}
