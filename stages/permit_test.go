package stages_test

import (
	"net/netip"
	"testing"

	"rollcall/events"
	"rollcall/stages"
)

func TestPermit(t *testing.T) {
	own := stages.Permit{Own: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:4180"), netip.MustParseAddrPort("[2001:db8::1]:8080")}}
	allow := stages.Permit{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, tt := range []struct {
		name   string
		permit stages.Permit
		addr   string
		denied bool
	}{
		{"private", stages.Permit{}, "10.0.0.7:80", false},
		{"public", stages.Permit{}, "8.8.8.8:80", false},
		{"loopback", stages.Permit{}, "127.0.0.1:80", false},
		{"IPv6 loopback", stages.Permit{}, "[::1]:80", false},
		{"unique local", stages.Permit{}, "[fd00::1]:80", false},

		{"unspecified", stages.Permit{}, "0.0.0.0:80", true},
		{"IPv6 unspecified", stages.Permit{}, "[::]:80", true},
		{"unspecified in IPv6 form", stages.Permit{}, "[::ffff:0.0.0.0]:80", true},
		{"this network", stages.Permit{}, "0.1.2.3:80", true},
		{"multicast", stages.Permit{}, "224.0.0.1:80", true},
		{"last multicast address", stages.Permit{}, "239.255.255.255:80", true},
		{"IPv6 multicast", stages.Permit{}, "[ff02::1]:80", true},
		{"broadcast", stages.Permit{}, "255.255.255.255:80", true},
		{"broadcast in IPv6 form", stages.Permit{}, "[::ffff:255.255.255.255]:80", true},
		{"below link-local", stages.Permit{}, "169.253.255.255:80", false},
		{"first link-local address", stages.Permit{}, "169.254.0.0:80", true},
		{"last link-local address", stages.Permit{}, "169.254.255.255:80", true},
		{"above link-local", stages.Permit{}, "169.255.0.0:80", false},
		{"first IPv6 link-local address", stages.Permit{}, "[fe80::]:80", true},
		{"last IPv6 link-local address", stages.Permit{}, "[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80", true},
		{"above IPv6 link-local", stages.Permit{}, "[fec0::]:80", false},
		{"metadata service", stages.Permit{}, "169.254.169.254:80", true},
		{"metadata service in IPv6 form", stages.Permit{}, "[::ffff:169.254.169.254]:80", true},
		{"metadata service in hexadecimal", stages.Permit{}, "[::ffff:a9fe:a9fe]:80", true},
		{"IPv6 metadata service", stages.Permit{}, "[fd00:ec2::254]:80", true},
		{"address next to the IPv6 metadata service", stages.Permit{}, "[fd00:ec2::253]:80", false},
		{"second metadata service", stages.Permit{}, "100.100.100.200:80", true},
		{"address next to the second metadata service", stages.Permit{}, "100.100.100.201:80", false},

		{"own listener", own, "10.0.0.1:4180", true},
		{"own listener in IPv6 form", own, "[::ffff:10.0.0.1]:4180", true},
		{"own IPv6 listener in another spelling", own, "[2001:DB8:0::1]:8080", true},
		{"another port of this host", own, "10.0.0.1:4181", false},
		{"another host", own, "10.0.0.2:4180", false},

		{"allowed", allow, "10.255.255.255:80", false},
		{"allowed in IPv6 form", allow, "[::ffff:10.0.0.7]:80", false},
		{"allowed by the second prefix", allow, "[fd00::1]:80", false},
		{"outside of the allowed prefixes", allow, "11.0.0.0:80", true},
		{"IPv6 outside of the allowed prefixes", allow, "[2001:db8::1]:80", true},
		{"metadata service within an allowed prefix", allow, "[fd00:ec2::254]:80", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := events.Reason("")
			if tt.denied {
				want = events.ReasonDenied
			}
			env := decoded(func(h *events.Heartbeat) { h.Addr = tt.addr })
			checkReason(t, stages.Validate{Permit: tt.permit}.Process(t.Context(), env), want)
		})
	}
}

// A dialer passes the address that it is about to connect to, which Validate has not normalized.
func TestPermitChecksAddressesOfDialers(t *testing.T) {
	permit := stages.Permit{Own: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:4180")}}
	for _, tt := range []struct {
		name   string
		addr   netip.AddrPort
		denied bool
	}{
		{"IPv4", netip.MustParseAddrPort("10.0.0.7:80"), false},
		{"IPv4 in IPv6 form", netip.MustParseAddrPort("[::ffff:10.0.0.7]:80"), false},
		{"no address", netip.AddrPort{}, true},
		{"metadata service in IPv6 form", netip.MustParseAddrPort("[::ffff:100.100.100.200]:80"), true},
		{"metadata service with a zone", netip.MustParseAddrPort("[fd00:ec2::254%eth0]:80"), true},
		{"own listener in IPv6 form", netip.MustParseAddrPort("[::ffff:10.0.0.1]:4180"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := events.Reason("")
			if tt.denied {
				want = events.ReasonDenied
			}
			checkReason(t, permit.Check(tt.addr), want)
		})
	}
}
