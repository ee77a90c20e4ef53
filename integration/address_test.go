package integration

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// nextPort begins where another run of the tests hardly does.
var nextPort = func() *atomic.Int64 {
	var port atomic.Int64
	port.Store(10_000 + int64(os.Getpid())*101%15_000)
	return &port
}()

// freeAddr is an address that stays free while nobody listens on it: below the ports that the system gives to
// connections, which else would come to have that of a broker that is down.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	for range 5000 {
		addr := fmt.Sprintf("127.0.0.1:%d", nextPort.Add(1))
		if l, err := net.Listen("tcp", addr); err == nil {
			must(tb, l.Close())
			return addr
		}
	}
	tb.Fatal("no port is free")
	return ""
}

// blackHole is an address that answers nothing, not even a connection, as that of a host that is gone: its accept
// backlog is full.
func blackHole(tb testing.TB) string {
	tb.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	must(tb, err)
	tb.Cleanup(func() { must(tb, syscall.Close(fd)) })
	syscall.CloseOnExec(fd)
	must(tb, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(tb, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(tb, err)
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 64 {
		conn, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr
		}
		tb.Cleanup(func() { must(tb, conn.Close()) })
	}
	tb.Fatalf("%s takes every connection", addr)
	return ""
}
