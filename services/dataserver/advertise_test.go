package dataserver_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/dataserver"
)

func TestAdvertised(t *testing.T) {
	every := &net.TCPAddr{IP: net.IPv6unspecified, Port: 9001}
	ours := machineAddrs(t)

	t.Run("the listener's address", func(t *testing.T) {
		listen := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9001}
		got, err := dataserver.Advertised(t.Context(), listen, nsqpubsub.Cluster{NSQD: []string{"192.0.2.7:4150"}})
		if err != nil || got != "127.0.0.1:9001" {
			t.Errorf("got %s, %v, want 127.0.0.1:9001", got, err)
		}
	})
	for _, ip := range ours {
		peer := netip.AddrPortFrom(ip, 4161).String()
		for name, nsq := range map[string]nsqpubsub.Cluster{
			"the address that reaches nsqd":                      {NSQD: []string{peer}},
			"the address that reaches nsqlookupd":                {Lookupd: []string{peer}},
			"the address that reaches a nsqlookupd given as URL": {Lookupd: []string{"http://" + peer}},
			"a loopback address is skipped":                      {NSQD: []string{"127.0.0.1:4150", peer}},
			"a broker whose name cannot be resolved is skipped":  {NSQD: []string{"nowhere.invalid:4150", peer}},
		} {
			t.Run(name+" "+ip.String(), func(t *testing.T) {
				got, err := dataserver.Advertised(t.Context(), every, nsq)
				if want := netip.AddrPortFrom(ip, 9001).String(); err != nil || got != want {
					t.Errorf("got %s, %v, want %s", got, err, want)
				}
			})
		}
	}
	t.Run("the address of the default route if NSQ runs on this machine", func(t *testing.T) {
		got, err := dataserver.Advertised(t.Context(), every, nsqpubsub.Cluster{NSQD: []string{"127.0.0.1:4150"}})
		if err != nil {
			if !strings.Contains(err.Error(), "set the address to advertise") {
				t.Error(err)
			}
			return
		}
		if ap, err := netip.ParseAddrPort(got); err != nil || ap.Port() != 9001 || !ap.Addr().IsGlobalUnicast() {
			t.Errorf("got %s, %v, want an address that other machines can reach, and port 9001", got, err)
		}
	})
}

// machineAddrs returns the addresses of this machine that other machines can reach. There may be none.
func machineAddrs(t *testing.T) []netip.Addr {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var ours []netip.Addr
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			ours = append(ours, p.Addr())
		}
	}
	return ours
}
