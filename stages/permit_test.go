package stages_test

import (
	"net/netip"
	"testing"

	"rollcall/events"
	"rollcall/stages"
)

func TestPermit(t *testing.T) {
	own := stages.Config{Own: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:4180"), netip.MustParseAddrPort("[2001:db8::1]:8080")}}
	allow := stages.Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, tt := range []struct {
		name   string
		cfg    stages.Config
		addr   string
		denied bool
	}{
		{"private", stages.Config{}, "10.0.0.7:80", false},
		{"public", stages.Config{}, "8.8.8.8:80", false},
		{"loopback", stages.Config{}, "127.0.0.1:80", false},
		{"loopback of IPv6", stages.Config{}, "[::1]:80", false},
		{"unique local", stages.Config{}, "[fd00::1]:80", false},

		{"unspecified", stages.Config{}, "0.0.0.0:80", true},
		{"unspecified of IPv6", stages.Config{}, "[::]:80", true},
		{"unspecified in IPv6 form", stages.Config{}, "[::ffff:0.0.0.0]:80", true},
		{"this network", stages.Config{}, "0.1.2.3:80", true},
		{"multicast", stages.Config{}, "224.0.0.1:80", true},
		{"multicast, the last", stages.Config{}, "239.255.255.255:80", true},
		{"multicast of IPv6", stages.Config{}, "[ff02::1]:80", true},
		{"broadcast", stages.Config{}, "255.255.255.255:80", true},
		{"broadcast in IPv6 form", stages.Config{}, "[::ffff:255.255.255.255]:80", true},
		{"below link-local", stages.Config{}, "169.253.255.255:80", false},
		{"link-local, the first", stages.Config{}, "169.254.0.0:80", true},
		{"link-local, the last", stages.Config{}, "169.254.255.255:80", true},
		{"above link-local", stages.Config{}, "169.255.0.0:80", false},
		{"link-local of IPv6, the first", stages.Config{}, "[fe80::]:80", true},
		{"link-local of IPv6, the last", stages.Config{}, "[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80", true},
		{"above link-local of IPv6", stages.Config{}, "[fec0::]:80", false},
		{"metadata service", stages.Config{}, "169.254.169.254:80", true},
		{"metadata service in IPv6 form", stages.Config{}, "[::ffff:169.254.169.254]:80", true},
		{"metadata service in hexadecimal", stages.Config{}, "[::ffff:a9fe:a9fe]:80", true},
		{"metadata service of IPv6", stages.Config{}, "[fd00:ec2::254]:80", true},
		{"beside the metadata service of IPv6", stages.Config{}, "[fd00:ec2::253]:80", false},
		{"another metadata service", stages.Config{}, "100.100.100.200:80", true},
		{"beside the other metadata service", stages.Config{}, "100.100.100.201:80", false},

		{"an own listener", own, "10.0.0.1:4180", true},
		{"an own listener in IPv6 form", own, "[::ffff:10.0.0.1]:4180", true},
		{"an own listener of IPv6, spelled differently", own, "[2001:DB8:0::1]:8080", true},
		{"another port of this host", own, "10.0.0.1:4181", false},
		{"another host", own, "10.0.0.2:4180", false},

		{"allowed", allow, "10.255.255.255:80", false},
		{"allowed in IPv6 form", allow, "[::ffff:10.0.0.7]:80", false},
		{"allowed by the second", allow, "[fd00::1]:80", false},
		{"outside", allow, "11.0.0.0:80", true},
		{"outside of IPv6", allow, "[2001:db8::1]:80", true},
		{"denied although allowed", allow, "[fd00:ec2::254]:80", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := events.Reason("")
			if tt.denied {
				want = events.ReasonDenied
			}
			env := decoded(func(h *events.Heartbeat) { h.Addr = tt.addr })
			checkReason(t, stages.Validate{Config: tt.cfg}.Process(t.Context(), env), want)
		})
	}
}

// A dialer asks with the address that it is about to call, which nobody has brought into one form.
func TestPermitOfADialer(t *testing.T) {
	cfg := stages.Config{Own: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:4180")}}
	for _, tt := range []struct {
		name   string
		addr   netip.AddrPort
		denied bool
	}{
		{"an address", netip.MustParseAddrPort("10.0.0.7:80"), false},
		{"in IPv6 form", netip.MustParseAddrPort("[::ffff:10.0.0.7]:80"), false},
		{"no address", netip.AddrPort{}, true},
		{"metadata service in IPv6 form", netip.MustParseAddrPort("[::ffff:100.100.100.200]:80"), true},
		{"metadata service through an interface", netip.MustParseAddrPort("[fd00:ec2::254%eth0]:80"), true},
		{"an own listener in IPv6 form", netip.MustParseAddrPort("[::ffff:10.0.0.1]:4180"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := events.Reason("")
			if tt.denied {
				want = events.ReasonDenied
			}
			checkReason(t, cfg.Permit(tt.addr), want)
		})
	}
}
