package clientconn

import (
	"net"
	"syscall"
)

// tcpNotsentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h.
const tcpNotsentLowat = 25

// unsentLimit is the maximum number of bytes of a response that the kernel holds before it sends them.
const unsentLimit = 128 << 10

// limitUnsent makes a Write continue as soon as less than half of unsentLimit waits to be sent. By default the kernel wakes a writer when a
// third of the send buffer is free. If a client reads 80 kB/s, this takes 17 s with a send buffer of 4 MiB, and 35 s with 8 MiB, which is
// longer than the default stall timeout. The limit does not count bytes that are sent but not acknowledged, so that fast connections with a
// high latency keep their throughput.
func limitUnsent(c net.Conn) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := socket.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // errors are ignored: an old kernel lacks the option
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, unsentLimit)
		})
	}
}
