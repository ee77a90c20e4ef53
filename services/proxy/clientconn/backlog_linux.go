package clientconn

import (
	"net"
	"os"
	"syscall"
)

// acceptBacklog accepts all connections that wait in the kernel's queue, and makes the kernel refuse new connections. Both happen in one
// call of Control, because the kernel would reset a connection that arrives between two calls.
func acceptBacklog(l net.Listener) []net.Conn {
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
		if c, err := net.FileConn(f); err == nil { // c has its own copy of the file descriptor, so f can be closed
			conns = append(conns, c)
		}
		_ = f.Close()
	}
	return conns
}
