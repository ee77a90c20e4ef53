package dataserver

import (
	"cmp"
	"maps"
	"slices"

	"rollcall/events"
)

// Description holds the fields of a heartbeat that may change while the agent runs; see Agent.Update. events.Heartbeat
// documents their bounds.
type Description struct {
	Weight  int  // share of the service's requests relative to other servers, 1 to 1000; default 100
	Drained bool // the server gets no new requests: the heartbeat carries weight 0, and Weight is ignored
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
		d.Meta = make(map[string]string) // never nil, because the callers of Update write to this map
	}
	return d
}

// describe sets the fields of h from d.
func (d Description) describe(h *events.Heartbeat) {
	h.Weight = d.Weight
	if d.Drained {
		h.Weight = 0
	}
	h.Zone, h.Version, h.Tags, h.Meta = d.Zone, d.Version, d.Tags, events.NewMeta(d.Meta)
}
