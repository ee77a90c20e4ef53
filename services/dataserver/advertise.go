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

// resolveTimeout bounds the resolution of a broker's name.
const resolveTimeout = time.Second

// Advertised is the address under which others reach a listener at addr: its own, or, if it listens on every address of
// this machine, the one from which this machine sends to NSQ. Where NSQ is on this machine itself, or its names can't be
// resolved, it is the one of the default route. It sends nothing but questions for names, to each of which it waits a second
// for the answer. The error says that no address can be told.
//
// It is right wherever a machine or container has one address, or API servers are where the brokers are. Elsewhere
// say the address. It is found once: a machine that gets another one later needs a new start.
func Advertised(ctx context.Context, addr net.Addr, nsq nsqpubsub.Cluster) (string, error) {
	listen, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return "", fmt.Errorf("dataserver: listener: %w", err)
	}
	if !listen.Addr().IsUnspecified() {
		return listen.String(), nil
	}
	// The route to addresses that are for documentation (RFC 5737, RFC 3849) is the default route.
	peers := append(nsq.Addresses(), "192.0.2.1:9", "[2001:db8::1]:9")
	for _, peer := range peers {
		if from, ok := source(ctx, peer); ok {
			return netip.AddrPortFrom(from, listen.Port()).String(), nil
		}
	}
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("dataserver: the address to advertise: %w", err)
	}
	return "", errors.New("dataserver: listens on every address of this machine, and none can be told to others: say which")
}

// source is the address from which this machine would send to peer, if others can be told to call it. To connect a
// UDP socket chooses the route and sends nothing.
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
