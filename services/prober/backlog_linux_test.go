package prober_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"rollcall/services/prober"
	"rollcall/services/registry"
)

// mustFull is the address of a listener whose backlog is full: the kernel answers no more.
func mustFull(t testing.TB) (addr string) {
	t.Helper()
	l := mustListen(t)
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var shrunk error
	if err := raw.Control(func(fd uintptr) { shrunk = syscall.Listen(int(fd), 0) }); err != nil || shrunk != nil {
		t.Fatal(err, shrunk)
	}
	for range 100 {
		conn, err := net.DialTimeout("tcp", l.Addr().String(), 200*time.Millisecond)
		if err != nil {
			return l.Addr().String()
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Fatal("the backlog does not fill")
	return ""
}

func TestAConnectionThatIsNotAnswered(t *testing.T) {
	addr := mustFull(t)
	checkFinding(t, prober.ModeHTTP, addr, registry.FindingSilent)
	checkFinding(t, prober.ModeTCP, addr, registry.FindingSilent)
}
