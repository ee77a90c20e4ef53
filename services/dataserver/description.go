package dataserver

import (
	"cmp"
	"maps"
	"slices"

	"rollcall/events"
)

// Description is what a server says of itself and may change while it runs (see Agent.Update). The bounds
// are those of events.Heartbeat.
type Description struct {
	Weight  int  // share of the requests among the servers of the service, 1 to 1000; default 100
	Drained bool // takes no new requests: weight 0 on the wire, whatever Weight is
	Zone    string
	Version string
	Tags    []string
	Meta    map[string]string
}

func (d *Description) setDefaults() { d.Weight = cmp.Or(d.Weight, events.DefaultWeight) }

func (d Description) clone() Description {
	d.Tags = slices.Clone(d.Tags)
	d.Meta = maps.Clone(d.Meta)
	if d.Meta == nil {
		d.Meta = make(map[string]string) // Update's callers write to it
	}
	return d
}

// describe writes d into h.
func (d Description) describe(h *events.Heartbeat) {
	h.Weight = d.Weight
	if d.Drained {
		h.Weight = 0
	}
	h.Zone, h.Version, h.Tags, h.Meta = d.Zone, d.Version, d.Tags, events.NewMeta(d.Meta)
}
