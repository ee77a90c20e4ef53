package stages

import (
	"cmp"
	"context"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
)

// Validate rejects an invalid heartbeat, normalizes its address, and fills in the interval and TTL if the sender states
// none. It does not judge the incarnation: only the registry knows the other incarnations of a server.
type Validate struct {
	Permit   Permit
	Interval time.Duration // of servers that state none, default 5 s
	TTL      time.Duration // of servers that state none, at least two intervals, default 10 s
}

func (v Validate) Process(_ context.Context, env *pipeline.Envelope) error {
	h := env.Heartbeat
	if err := h.Validate(); err != nil {
		return err
	}
	addr, err := events.ParseAddr(h.Addr)
	if err != nil {
		return err
	}
	if err := v.Permit.Check(addr); err != nil {
		return err
	}
	if addr.Addr().Is6() || h.Addr[0] == '[' { // these have more than one spelling
		bare := h.ID == h.Addr
		h.Addr = addr.String()
		if bare {
			h.ID = h.Addr
		}
	}
	h.FillLease(cmp.Or(v.Interval, 5*time.Second), cmp.Or(v.TTL, 10*time.Second))
	return nil
}
