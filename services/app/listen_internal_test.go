package app

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
)

func TestListenErrorNamesKeyAndAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = listen("api", taken.Addr().String(), 1, zap.NewNop())
	if want := "api.listen " + taken.Addr().String() + ": "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %q first", err, want)
	}
}

func TestOwnAddrs(t *testing.T) {
	for name, row := range map[string]struct {
		listen string
		every  bool
	}{
		"one address":        {"127.0.0.1:0", false},
		"unspecified":        {"0.0.0.0:0", true},
		"no host":            {":0", true},
		"unspecified in IP6": {"[::]:0", true},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := listen("api", row.listen, 1, zap.NewNop())
			if err != nil {
				t.Skip(err) // the machine has no IPv6
			}
			defer l.Close()
			own, err := ownAddrs(l)
			if err != nil {
				t.Fatal(err)
			}
			port := uint16(l.Addr().(*net.TCPAddr).Port)
			if !slices.Contains(own, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)) {
				t.Errorf("%v lacks 127.0.0.1:%d", own, port)
			}
			if !row.every && len(own) != 1 {
				t.Errorf("got %v, want one", own)
			}
			if !row.every {
				return
			}
			ifaces, err := net.InterfaceAddrs()
			if err != nil {
				t.Fatal(err)
			}
			if len(own) != len(ifaces) {
				t.Errorf("got %v, want one of each of %v", own, ifaces)
			}
			for _, ap := range own {
				if ap.Port() != port || ap.Addr().IsUnspecified() || ap.Addr().Is4In6() {
					t.Errorf("got %v", ap)
				}
			}
		})
	}
}
