package dial_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"rollcall/services/dial"
	"rollcall/services/registry"
)

func mustListen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestPermitGetsTheAddressOfTheSocket(t *testing.T) {
	addr := mustListen(t).Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	for name, called := range map[string]string{"an address": addr, "a host name": net.JoinHostPort("localhost", port)} {
		t.Run(name, func(t *testing.T) {
			var asked []netip.AddrPort
			conn, err := dial.New(func(ap netip.AddrPort) error {
				asked = append(asked, ap)
				return nil
			}, 0)(t.Context(), called)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
			if !slices.Contains(asked, netip.MustParseAddrPort(addr)) {
				t.Errorf("Permit was called with %v, want %s", asked, addr)
			}
		})
	}
}

func TestDeniedAddressIsNotConnectedTo(t *testing.T) {
	l := mustListen(t)
	denied := errors.New("denied")
	_, err := dial.New(func(netip.AddrPort) error { return denied }, 0)(t.Context(), l.Addr().String())
	if !errors.Is(err, denied) {
		t.Errorf("got %v, want the error of permit", err)
	}
	if got := dial.Finding(err); got != registry.FindingUnknown {
		t.Errorf("finding of a denied address is %s, want unknown", got)
	}
	// The test connects now. If this is the first connection that the listener accepts, the dialer has not connected.
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if first.RemoteAddr().String() != conn.LocalAddr().String() {
		t.Errorf("connection from %s, want none before that from %s", first.RemoteAddr(), conn.LocalAddr())
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dial.New(nil, 0)(ctx, mustListen(t).Addr().String()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestRefusedConnectionIsFindingRefused(t *testing.T) {
	l := mustListen(t)
	_ = l.Close()
	_, err := dial.New(nil, 0)(t.Context(), l.Addr().String())
	if got := dial.Finding(err); got != registry.FindingRefused {
		t.Errorf("got %s for %v, want refused", got, err)
	}
}
