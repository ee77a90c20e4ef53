package pipeline

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// fastRoundTrip is the longest round trip for which the first canary through an nsqd is used.
const fastRoundTrip = time.Second

// ClockSkew computes how long a message waited in NSQ, although nsqd's timestamp and the time of receipt are from two clocks. It
// learns the difference of the clocks from the canaries that this process publishes and receives. It is safe for concurrent
// use; Delay takes no lock.
//
// Our clock is this process's: the wall clock at its start plus the monotonic clock since then, so that setting the wall clock
// does not change it. The clock of an nsqd is ours + theta, with theta unknown. For a message
//
//	raw = received (ours) - timestamp (nsqd's) = delay - theta
//
// A canary of ours, sent at t0 and received at t1, has a timestamp s = ours + theta of some moment between t0 and t1. So
//
//	t0 - s <= -theta <= t1 - s
//
// The estimate of -theta is base. Each canary moves base by the least amount that puts it between these limits. The first canary
// sets base = t1 - s, which is too high by at most its round trip, and is used only if that was a second or less. Later
// canaries, with their own upper limits, correct it. The delay of a message
//
//	delay = max(0, raw - base)
//
// is then wrong by at most the round trip of a canary. A delayed canary has wide limits and moves nothing. If the clock of nsqd
// is set, by any amount, the next canary corrects base; drift is followed. Before the first canary, delay = max(0, raw).
//
// Any message with raw < base could lower base too, because a delay is not negative; but only canaries do. A message with a
// timestamp from before nsqd's clock was set back would make base too low: every healthy heartbeat after it would look an hour
// old and be dropped. A base that is too high makes messages look young for a second, which is the lesser error. For the same
// reason a canary that was sent before the last one received is ignored.
//
// ClockSkew does not notice that this host was suspended, because the monotonic clock stops: until the next canary, messages
// that waited during the suspension look young by its duration.
type ClockSkew struct {
	start time.Time // with a monotonic reading
	wall  int64     // start in Unix nanoseconds

	nsqd atomic.Pointer[map[string]*offset] // by address; replaced, never changed
	mu   sync.Mutex                         // serializes Learn
}

// offset is the estimate for the clock of one nsqd.
type offset struct {
	base  atomic.Int64 // nanoseconds
	known time.Time    // when the last canary received was sent; guarded by ClockSkew.mu
}

// NewClockSkew takes the start of the process as its canaries state it, with a monotonic reading.
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

// Learn updates the estimate for the nsqd r.Via from a canary of this process, sent at sent.
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

// raw returns the time of receipt, by our clock, minus nsqd's timestamp.
func (s *ClockSkew) raw(r events.Receipt) time.Duration {
	return time.Duration(s.wall) + r.ReceivedAt.Sub(s.start) - time.Duration(r.PublishedAt.UnixNano())
}
