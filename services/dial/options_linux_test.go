package dial_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"rollcall/services/dial"
)

func TestSocketOptions(t *testing.T) {
	for _, tt := range []struct {
		name      string
		keepAlive time.Duration
		want      map[string]int
	}{
		{"without keepalive", 0, map[string]int{"keepalive": 0, "nodelay": 1}},
		{"without keepalive, negative", -1, map[string]int{"keepalive": 0, "nodelay": 1}},
		{"keepalive every 7 s, three times", 7 * time.Second, map[string]int{"keepalive": 1, "nodelay": 1, "idle": 7, "interval": 7, "count": 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := mustDial(t, tt.keepAlive)
			for option, want := range tt.want {
				if got := mustOption(t, conn, option); got != want {
					t.Errorf("%s is %d, want %d", option, got, want)
				}
			}
		})
	}
}

// mustDial connects to a new listener. All addresses are permitted.
func mustDial(t testing.TB, keepAlive time.Duration) *net.TCPConn {
	t.Helper()
	conn, err := dial.New(nil, keepAlive)(t.Context(), mustListen(t).Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

func mustOption(t testing.TB, conn *net.TCPConn, name string) (value int) {
	t.Helper()
	option := map[string][2]int{
		"keepalive": {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE},
		"nodelay":   {syscall.IPPROTO_TCP, syscall.TCP_NODELAY},
		"idle":      {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE},
		"interval":  {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL},
		"count":     {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT},
	}[name]
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { value, failed = syscall.GetsockoptInt(int(fd), option[0], option[1]) })
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if name == "keepalive" || name == "nodelay" {
		return min(value, 1) // any value except 0 means on
	}
	return value
}
