package stages

import (
	"net/netip"
	"slices"

	"rollcall/events"
)

// denied are addresses that no server of anyone's has, but that a forged heartbeat might name to make
// the API server's proxy call them: see net/netip for the rest.
var denied = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("100.100.100.200/32"), // metadata services
	netip.MustParsePrefix("fd00:ec2::254/128"),
}

// Permit returns an error with the reason denied for an address that must not be routed to, in whatever form it is
// given. It is for a dialer too, which must not connect to what a name or a route has made of an address. It may be
// called from many goroutines.
func (c *Config) Permit(ap netip.AddrPort) error {
	addr := ap.Addr().Unmap().WithZone("") // in no prefix otherwise
	ap = netip.AddrPortFrom(addr, ap.Port())
	switch {
	case !addr.IsValid():
		return events.Invalid(events.ReasonDenied, "no address")
	case addr.IsUnspecified(), addr.IsMulticast(), addr.IsLinkLocalUnicast():
		return events.Invalid(events.ReasonDenied, "%v is unspecified, multicast or link-local", ap)
	case slices.ContainsFunc(denied, func(p netip.Prefix) bool { return p.Contains(addr) }):
		return events.Invalid(events.ReasonDenied, "%v is a broadcast or metadata address", ap)
	case slices.Contains(c.Own, ap):
		return events.Invalid(events.ReasonDenied, "%v is this API server itself", ap)
	case len(c.Allow) > 0 && !slices.ContainsFunc(c.Allow, func(p netip.Prefix) bool { return p.Contains(addr) }):
		return events.Invalid(events.ReasonDenied, "%v is outside of registry.allow", ap)
	}
	return nil
}
