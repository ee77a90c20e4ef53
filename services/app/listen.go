package app

import (
	"fmt"
	"net"
	"net/netip"

	"go.uber.org/zap"

	"rollcall/services/connlimit"
)

// listen opens the TCP listener of a section of the configuration, such as "api". The error names the key and the address.
func listen(section, addr string, connections int, log *zap.Logger) (*connlimit.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s.listen %s: %w", section, addr, err)
	}
	return connlimit.New(l, connections, func() {
		log.Warn("maximum number of connections reached: new connections wait until one ends", zap.String("key", section+".connections"), zap.Int("connections", connections))
	}), nil
}

// ownAddrs returns the addresses at which the listeners can be reached. Nil listeners are skipped.
func ownAddrs(listeners ...net.Listener) ([]netip.AddrPort, error) {
	var own []netip.AddrPort
	for _, l := range listeners {
		if l == nil {
			continue
		}
		addrs, err := addrsOf(l)
		if err != nil {
			return nil, err
		}
		own = append(own, addrs...)
	}
	return own, nil
}

// addrsOf returns the address of l. If the host of l is unspecified, addrsOf returns an address for each IP address of the machine.
func addrsOf(l net.Listener) ([]netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l.Addr(), err)
	}
	if !ap.Addr().IsUnspecified() {
		return []netip.AddrPort{netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}, nil
	}
	ifaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of this machine: %w", err)
	}
	var own []netip.AddrPort
	for _, iface := range ifaces {
		if prefix, err := netip.ParsePrefix(iface.String()); err == nil {
			own = append(own, netip.AddrPortFrom(prefix.Addr().Unmap(), ap.Port()))
		}
	}
	return own, nil
}
