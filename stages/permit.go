package stages

import (
	"net/netip"
	"slices"

	"rollcall/events"
)

// Permit decides which addresses servers may have. The zero value permits every address that can belong to a server.
type Permit struct {
	Allow []netip.Prefix   // if Allow is not empty, an address outside of all its prefixes is denied
	Own   []netip.AddrPort // addresses of the API server's own listeners; they are denied, so that the API server never sends a request to itself
}

// denied are addresses that belong to no server. A forged heartbeat might state one of them to make the API server's proxy
// connect to it.
var denied = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("100.100.100.200/32"), // metadata service of Alibaba Cloud
	netip.MustParsePrefix("fd00:ec2::254/128"),  // metadata service of AWS
}

// Check returns an error with the reason ReasonDenied if the address ap is denied. It converts an IPv4 address in IPv6 form
// to IPv4 and ignores a zone. Dialers also call Check, with the address to which they are about to connect. Check is safe
// for concurrent use.
func (p Permit) Check(ap netip.AddrPort) error {
	addr := ap.Addr().Unmap().WithZone("") // no prefix contains an address with a zone
	ap = netip.AddrPortFrom(addr, ap.Port())
	contains := func(p netip.Prefix) bool { return p.Contains(addr) }
	switch {
	case !addr.IsValid():
		return events.Invalid(events.ReasonDenied, "no address")
	case addr.IsUnspecified(), addr.IsMulticast(), addr.IsLinkLocalUnicast():
		return events.Invalid(events.ReasonDenied, "%v is unspecified, multicast or link-local", ap)
	case slices.ContainsFunc(denied, contains):
		return events.Invalid(events.ReasonDenied, "%v is a broadcast or metadata address", ap)
	case slices.Contains(p.Own, ap):
		return events.Invalid(events.ReasonDenied, "%v is this API server itself", ap)
	case len(p.Allow) > 0 && !slices.ContainsFunc(p.Allow, contains):
		return events.Invalid(events.ReasonDenied, "%v is outside of registry.allow", ap)
	}
	return nil
}
