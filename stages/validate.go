package stages

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
)

// Config is the policy of the stages.
type Config struct {
	Interval time.Duration    // of servers that state none; default 5 s
	TTL      time.Duration    // of servers that state none, at least two intervals; default 10 s
	Allow    []netip.Prefix   // if any, addresses outside of all of them are denied
	Own      []netip.AddrPort // the API server's own listeners, denied so that it never routes to itself

	ID      string    // of this API server, and
	Started time.Time // when its process did: what its own canaries state
	Skew    Skew      // learns from them; nil is nobody
}

func (c *Config) setDefaults() {
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.TTL = cmp.Or(c.TTL, 10*time.Second)
}

// maxAhead is how far the start of a sender's process may lie in the future: no clock is off by more for
// long, and an incarnation from the far future could never be replaced.
const maxAhead = 5 * time.Minute

// Validate refuses what is not in order, puts the address into its canonical form, and fills in the lease
// of a sender that states none.
type Validate struct{ Config }

func (v Validate) Process(_ context.Context, env *pipeline.Envelope) error {
	h := env.Heartbeat
	if err := h.Validate(); err != nil {
		return err
	}
	// Not by durations: an incarnation of 2^63 ms is no number of nanoseconds.
	born := time.UnixMilli(h.Incarnation)
	if born.After(env.Receipt.ReceivedAt.Add(maxAhead)) && born.After(v.latest(env.Receipt).Add(maxAhead)) {
		return events.Invalid(events.ReasonIncarnation, "incarnation %d is more than %v ahead", h.Incarnation, maxAhead)
	}
	addr, err := events.ParseAddr(h.Addr)
	if err != nil {
		return err
	}
	if err := v.Permit(addr); err != nil {
		return err
	}
	if addr.Addr().Is6() || h.Addr[0] == '[' { // these have more than one spelling
		bare := h.ID == h.Addr
		h.Addr = addr.String()
		if bare {
			h.ID = h.Addr
		}
	}
	h.FillLease(v.Interval, v.TTL)
	return nil
}

// latest is the latest time of those that the clocks around say it is: ours, ours if nobody had set it since the start, and
// that of nsqd. A clock that was set back makes no server's start a thing of the future.
func (c *Config) latest(r events.Receipt) time.Time {
	latest := r.ReceivedAt
	if r.PublishedAt.After(latest) {
		latest = r.PublishedAt
	}
	if c.Started.IsZero() {
		return latest
	}
	if steady := c.Started.Round(0).Add(r.ReceivedAt.Sub(c.Started)); steady.After(latest) {
		latest = steady
	}
	return latest
}
