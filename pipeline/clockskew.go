package pipeline

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// fastRoundTrip is how long the first canary through an nsqd may have taken to say anything about its clock.
const fastRoundTrip = time.Second

// Skew tells how long a message waited in NSQ, though nsqd stamps it by a clock that is not ours. It learns how the
// clocks differ from the canaries that this process publishes and receives. It is safe for concurrent use; Delay takes no
// lock.
//
// Ours is this process's clock: the wall clock at its start, carried on by the monotonic one. Nobody can set it. An nsqd's
// clock is ours + theta, and theta is what is not known. A message has
//
//	raw = ours(received) - stamp = delay - theta
//
// Our own canary, sent at t0 and received at t1, was stamped s = ours + theta at some moment of ours in [t0, t1]. So
//
//	t0 - s <= -theta <= t1 - s
//
// and base, which stands for -theta, is moved by no more than puts it between the two. None is known before the first
// canary: then base = t1 - s, which is too high by at most the round trip, if that was a second or less. Canaries that
// follow put it right, because each one brings its own upper limit. A message's
//
//	delay = max(0, raw - base)
//
// is then wrong by no more than a canary's round trip. A canary that was held up has wide limits and moves nothing.
// A clock of nsqd that is set, by an hour or by a year, is understood within one canary; one that drifts is followed.
// While no base is known, delay = max(0, raw): the clocks are compared as they are.
//
// Only canaries move the base. Any message with raw < base could lower it too: a delay is not negative, so raw is an upper
// limit of -theta. But of the theta that there was when it was stamped. A message stamped before nsqd's clock was set
// back would put the base too low, and every healthy heartbeat behind it would look an hour old and be dropped; one that
// is too high makes a message look young, for a second. So of these two mistakes it is the second. For the same reason a
// canary that was sent before the last one heard teaches nothing.
//
// What Skew cannot see is the suspension of this host, in which the monotonic clock stands still: until the next canary
// what waited meanwhile looks young by as much.
type Skew struct {
	start time.Time // with a monotonic reading
	wall  int64     // the same on the wall, Unix nanoseconds

	nsqd atomic.Pointer[map[string]*offset] // replaced, never changed; as many as nsqd were ever connected to
	mu   sync.Mutex                         // of Learn
}

// offset is what is known of one nsqd's clock.
type offset struct {
	base  atomic.Int64 // nanoseconds
	known time.Time    // when the last canary heard was sent; under Skew.mu
}

// NewSkew counts from the start of the process, which must have a monotonic reading and be the one that its canaries state.
func NewSkew(started time.Time) *Skew {
	s := &Skew{start: started, wall: started.UnixNano()}
	s.nsqd.Store(&map[string]*offset{})
	return s
}

// Delay is how long the message waited in NSQ. It does not look at r.Delay.
func (s *Skew) Delay(r events.Receipt) time.Duration {
	raw := s.raw(r)
	if o := (*s.nsqd.Load())[r.Via]; o != nil {
		raw -= time.Duration(o.base.Load())
	}
	return max(0, raw)
}

// Learn takes over what this process's own canary, sent then, shows of the clock of the nsqd that it came through.
func (s *Skew) Learn(r events.Receipt, sent time.Time) {
	trip := r.ReceivedAt.Sub(sent)
	if trip < 0 { // it is no canary of ours
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

// raw is the difference of the clocks at both ends. Stamps of nsqd are Unix nanoseconds.
func (s *Skew) raw(r events.Receipt) time.Duration {
	return time.Duration(s.wall) + r.ReceivedAt.Sub(s.start) - time.Duration(r.PublishedAt.UnixNano())
}
