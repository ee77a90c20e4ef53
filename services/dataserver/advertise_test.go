package dataserver_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/dataserver"
)

func TestTheAddressThatOthersAreTold(t *testing.T) {
	every := &net.TCPAddr{IP: net.IPv6unspecified, Port: 9001}
	ours := machineAddrs(t)

	t.Run("is the one listened on", func(t *testing.T) {
		listen := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9001}
		got, err := dataserver.Advertised(t.Context(), listen, nsqpubsub.Cluster{NSQD: []string{"192.0.2.7:4150"}})
		if err != nil || got != "127.0.0.1:9001" {
			t.Errorf("got %s, %v, want 127.0.0.1:9001", got, err)
		}
	})
	for _, ip := range ours {
		peer := netip.AddrPortFrom(ip, 4161).String()
		for name, nsq := range map[string]nsqpubsub.Cluster{
			"is the one that reaches nsqd":                                          {NSQD: []string{peer}},
			"is the one that reaches nsqlookupd":                                    {Lookupd: []string{peer}},
			"is the one that reaches a URL":                                         {Lookupd: []string{"http://" + peer}},
			"is not one that only this machine reaches":                             {NSQD: []string{"127.0.0.1:4150", peer}},
			"is that of a broker whose name is known, not of a broker whose is not": {NSQD: []string{"nowhere.invalid:4150", peer}},
		} {
			t.Run(name+" "+ip.String(), func(t *testing.T) {
				got, err := dataserver.Advertised(t.Context(), every, nsq)
				if want := netip.AddrPortFrom(ip, 9001).String(); err != nil || got != want {
					t.Errorf("got %s, %v, want %s", got, err, want)
				}
			})
		}
	}
	t.Run("is that of the default route where NSQ is on this machine, if there is one", func(t *testing.T) {
		got, err := dataserver.Advertised(t.Context(), every, nsqpubsub.Cluster{NSQD: []string{"127.0.0.1:4150"}})
		if err != nil {
			if !strings.Contains(err.Error(), "say which") {
				t.Error(err)
			}
			return
		}
		if ap, err := netip.ParseAddrPort(got); err != nil || ap.Port() != 9001 || !ap.Addr().IsGlobalUnicast() {
			t.Errorf("got %s, %v, want an address that others can call, and port 9001", got, err)
		}
	})
}

// machineAddrs are the addresses of this machine that others may call. There may be none.
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
