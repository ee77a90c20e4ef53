// Package dial connects to servers, and determines what a failed connection shows about the server.
package dial

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// unanswered is the number of TCP keepalive probes in a row without a response after which a connection fails.
const unanswered = 3

// New returns a dialer for addresses of the form IP:port. The dialer returns when ctx ends, uses no proxy, and sets TCP_NODELAY.
// It is safe for concurrent use.
//
// The dialer calls permit with the address of the socket, after name resolution. If permit returns an error, the dialer fails
// with this error. If permit is nil, all addresses are permitted.
//
// keepAlive is the interval of TCP keepalive probes on an idle connection. The connection fails after three probes in a row
// without a response. If keepAlive is 0 or less, the dialer turns keepalive probes off.
func New(permit func(netip.AddrPort) error, keepAlive time.Duration) func(ctx context.Context, addr string) (net.Conn, error) {
	d := &net.Dialer{KeepAlive: -1}
	if keepAlive > 0 {
		d.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: unanswered}
	}
	if permit != nil {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return permit(ap)
		}
	}
	return func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
}
