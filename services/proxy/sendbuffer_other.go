//go:build !linux

package proxy

import "net"

// boundUnsent does nothing here.
func boundUnsent(net.Conn) {}
