package proxy

import (
	"net"
	"os"
	"syscall"
)

// drain takes every connection that waits to be accepted, and has the kernel refuse those that come after: in one go, or what comes in
// between would be reset.
func drain(l net.Listener) []net.Conn {
	socket, ok := l.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	var taken []int
	_ = raw.Control(func(fd uintptr) {
		for {
			n, _, err := syscall.Accept4(int(fd), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
			if err == syscall.EINTR || err == syscall.ECONNABORTED {
				continue
			}
			if err != nil {
				break
			}
			taken = append(taken, n)
		}
		_ = syscall.Shutdown(int(fd), syscall.SHUT_RD)
	})
	var conns []net.Conn
	for _, fd := range taken {
		f := os.NewFile(uintptr(fd), "")
		if c, err := net.FileConn(f); err == nil { // of a copy
			conns = append(conns, c)
		}
		_ = f.Close()
	}
	return conns
}
