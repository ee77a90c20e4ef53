package prober

import (
	"net/http"
	"net/textproto"
	"strconv"

	"rollcall/events"
	"rollcall/services/registry"
)

// identity is the identity of one server in the header of a response.
type identity struct {
	id, service string // service is empty if the header is missing
	incarnation int64  // 0 if the header is missing
}

// identities returns the identities in a header. There are several if a process has several servers. The headers of service
// and incarnation count only if there is one for each id; otherwise it is not clear to which id they belong.
func identities(h http.Header) []identity {
	ids := h.Values(events.IdentityHeader)
	services, incarnations := h.Values(events.ServiceHeader), h.Values(events.IncarnationHeader)
	var all []identity
	for i, id := range ids {
		if id == "" {
			continue
		}
		one := identity{id: id}
		if len(services) == len(ids) {
			one.service = services[i]
		}
		if len(incarnations) == len(ids) {
			one.incarnation, _ = strconv.ParseInt(incarnations[i], 10, 64) // 0 on an error
		}
		all = append(all, one)
	}
	return all
}

// identify compares the identities in a header with the server of p.
func identify(h http.Header, p registry.Probe) registry.Finding {
	all := identities(h)
	if len(all) == 0 {
		return registry.FindingAccepted
	}
	found := registry.FindingStranger
	for _, one := range all {
		switch one.compare(p) {
		case registry.FindingIdentified:
			return registry.FindingIdentified
		case registry.FindingAccepted:
			found = registry.FindingAccepted
		}
	}
	return found
}

// compare compares the values that both sides have. The id alone is enough, unless the address is contested. A process of
// another incarnation is the same server after a restart, so it is not a stranger; its heartbeat will replace the old one.
func (i identity) compare(p registry.Probe) registry.Finding {
	switch {
	case i.id != textproto.TrimString(p.ID): // HTTP removes spaces around a value
		return registry.FindingStranger
	case i.service != "" && i.service != p.Service:
		return registry.FindingStranger
	case i.incarnation > 0 && p.Incarnation > 0 && i.incarnation != p.Incarnation:
		return registry.FindingAccepted
	case i.service == "" && i.incarnation == 0 && p.Contested:
		return registry.FindingAccepted
	}
	return registry.FindingIdentified
}
