//go:build !linux

package clientconn

import "net"

// limitUnsent does nothing on this operating system.
func limitUnsent(net.Conn) {}
