//go:build unix

package clientconn

import (
	"errors"
	"net"
	"syscall"
)

// socketOf returns the socket of a connection, or nil if the connection is not a socket.
func socketOf(c net.Conn) syscall.RawConn {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// isClosed reports whether the peer has closed the connection and everything that it sent was read.
func isClosed(socket syscall.RawConn) bool {
	closed := false
	_ = socket.Control(func(fd uintptr) { // not Read, which would wait for the end of another Read
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == nil:
			closed = n == 0
		case !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR):
			closed = true
		}
	})
	return closed
}
