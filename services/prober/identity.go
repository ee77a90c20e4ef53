package prober

import (
	"net/http"
	"net/textproto"
	"strconv"

	"rollcall/events"
	"rollcall/services/registry"
)

// identity is the identity of one server, as the header of a response states it.
type identity struct {
	id, service string // service is empty if the header is missing
	incarnation int64  // 0 if the header is missing
}

// identities returns the identities in a header. A process with several servers states several identities. A service belongs
// to the id at the same position. If there are not as many services as ids, the positions prove nothing, and identities ignores
// the services. Incarnations follow the same rule.
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
			one.incarnation, _ = strconv.ParseInt(incarnations[i], 10, 64) // 0 if the header is not an integer
		}
		all = append(all, one)
	}
	return all
}

// identify compares the identities in the header h with the server of the probe p.
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

// compare compares the identity i with the server of the probe p. It ignores a service or an incarnation that only i or only p
// states. An equal id alone is enough, unless p.Contested. A process with another incarnation is the same server after a restart.
// Such a process is not a stranger, but it does not confirm the old incarnation, which its heartbeat will replace.
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
