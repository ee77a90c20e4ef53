// Package dial connects to servers by the addresses that they told of themselves, and judges what a failed connection
// says of the server.
package dial

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// unanswered is how many keepalive probes in a row end a connection.
const unanswered = 3

// New returns a dialer for addresses of the form IP:port. It ends when ctx does, knows no proxy, and sends small writes at
// once (TCP_NODELAY). It is safe for concurrent use.
//
// permit is asked with the address that the socket is about to connect to, where nothing can change it any more; what it
// refuses fails with its error. With nil all are permitted.
//
// A connection on which nothing comes is asked each keepAlive whether its other end is there, and fails when that was
// not answered three times in a row. With 0 or less nobody asks.
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
