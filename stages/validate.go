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
	Fields  Fields    // hears of unknown fields; nil is nobody
}

func (c *Config) setDefaults() {
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.TTL = cmp.Or(c.TTL, 10*time.Second)
}

// Validate refuses what is not in order, puts the address into its canonical form, and fills in the lease
// of a sender that states none. Whether an incarnation is plausible is for the registry, which knows the others of that id.
type Validate struct{ Config }

func (v Validate) Process(_ context.Context, env *pipeline.Envelope) error {
	h := env.Heartbeat
	if err := h.Validate(); err != nil {
		return err
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
