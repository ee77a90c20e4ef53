package proxy

import (
	"net"
	"syscall"
)

// tcpNotsentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h.
const tcpNotsentLowat = 25

// unsentLimit bounds what the kernel keeps of an answer before it is sent, in bytes.
const unsentLimit = 128 << 10

// boundUnsent lets a Write go on as soon as less than half of unsentLimit waits to be sent. Without it the kernel wakes a writer when a
// third of the send buffer is free: of 4 MiB a client that takes 80 kB a second frees that in 17 s, and of more not in the stall
// timeout. What is sent and not yet acknowledged is not bounded, so that long fat paths keep their throughput.
func boundUnsent(c net.Conn) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // a kernel without the option keeps its own bound
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, unsentLimit)
		})
	}
}
