//go:build !unix

package clientconn

import (
	"net"
	"syscall"
)

// socketOf returns nil: on this operating system net/http itself watches all connections.
func socketOf(net.Conn) syscall.RawConn { return nil }

func isClosed(syscall.RawConn) bool { return false }
