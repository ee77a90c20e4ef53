package prober

import (
	"net/http"
	"net/textproto"
	"strconv"

	"rollcall/events"
	"rollcall/services/registry"
)

// identity is what one server tells in the header of a response.
type identity struct {
	id, service string // service may be empty: not told
	incarnation int64  // 0: not told
}

// identities reads the identities in a header: several if a process has several servers. The headers of service and
// incarnation count only if there is one for each id, because otherwise nobody knows which one belongs to which id.
func identities(h http.Header) []identity {
	ids := h.Values(events.IdentityHeader)
	services, incarnations := h.Values(events.ServiceHeader), h.Values(events.IncarnationHeader)
	var told []identity
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
		told = append(told, one)
	}
	return told
}

// identify compares the identities in a header with the server that p asks for.
func identify(h http.Header, p registry.Probe) registry.Finding {
	told := identities(h)
	if len(told) == 0 {
		return registry.FindingAccepted
	}
	found := registry.FindingStranger
	for _, one := range told {
		switch one.compare(p) {
		case registry.FindingIdentified:
			return registry.FindingIdentified
		case registry.FindingAccepted:
			found = registry.FindingAccepted
		}
	}
	return found
}

// compare compares what both sides know. The id alone is proof unless the address is contested. A process of another
// incarnation is neither the process that p asks for nor a stranger: it is the same server, and its own heartbeat
// tells the registry about the restart.
func (i identity) compare(p registry.Probe) registry.Finding {
	switch {
	case i.id != textproto.TrimString(p.ID): // a header has no spaces around a value
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
