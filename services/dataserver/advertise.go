package dataserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"rollcall/pipeline/nsqpubsub"
)

// resolveTimeout bounds the DNS lookup of one broker's name.
const resolveTimeout = time.Second

// Advertised returns the address at which other machines reach a listener with the address addr. That is addr itself, unless
// the listener accepts connections on every address of this machine. In that case Advertised returns the address from which
// this machine sends to NSQ, or, if NSQ runs on this machine or its names cannot be resolved, the address of the default
// route. Advertised sends DNS queries only, and waits at most one second for each. It returns an error if it finds no address
// that other machines can reach.
//
// The result is right where the machine or container has one address, or where API servers are in the network of the
// brokers. Otherwise set the address in the configuration. A process whose address changes later must be restarted.
func Advertised(ctx context.Context, addr net.Addr, nsq nsqpubsub.Cluster) (string, error) {
	listen, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return "", fmt.Errorf("dataserver: listener: %w", err)
	}
	if !listen.Addr().IsUnspecified() {
		return listen.String(), nil
	}
	// These addresses are reserved for documentation (RFC 5737, RFC 3849), so this machine reaches them through its default
	// route.
	peers := append(nsq.Addresses(), "192.0.2.1:9", "[2001:db8::1]:9")
	for _, peer := range peers {
		if from, ok := source(ctx, peer); ok {
			return netip.AddrPortFrom(from, listen.Port()).String(), nil
		}
	}
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("dataserver: find the address to advertise: %w", err)
	}
	return "", errors.New("dataserver: the listener accepts connections on every address of this machine, and none of these can be reached from other machines: set the address to advertise")
}

// source returns the address from which this machine sends to peer. It reports false if other machines cannot reach that
// address. Connecting a UDP socket selects the route and sends no packet.
func source(ctx context.Context, peer string) (netip.Addr, bool) {
	conn, err := (&net.Dialer{Timeout: resolveTimeout}).DialContext(ctx, "udp", peer)
	if err != nil {
		return netip.Addr{}, false
	}
	defer func() { _ = conn.Close() }()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Addr{}, false
	}
	ip := local.Addr().Unmap()
	return ip, ip.IsGlobalUnicast()
}
