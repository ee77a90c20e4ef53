package stages

import (
	"cmp"
	"context"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
)

// Validate rejects an invalid heartbeat, normalizes its address, and sets the interval and the TTL if the sender does not
// state them. It does not judge the incarnation, because only the registry knows the other incarnations of the server.
type Validate struct {
	Permit   Permit
	Interval time.Duration // interval of servers that state none, default 5 s
	TTL      time.Duration // TTL of servers that state none, default 10 s, raised to two intervals of the server
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
	if addr.Addr().Is6() || h.Addr[0] == '[' { // an address in IPv6 form has more than one spelling
		bare := h.ID == h.Addr
		h.Addr = addr.String()
		if bare {
			h.ID = h.Addr
		}
	}
	h.FillLease(cmp.Or(v.Interval, 5*time.Second), cmp.Or(v.TTL, 10*time.Second))
	return nil
}
