package demo_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"rollcall/integration/fixture"
	"rollcall/services/demo"
)

// before returns the address of l with a lower port: the difference is the parameter ports.
func before(l net.Listener, ports int) string {
	return fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port-ports)
}

func mustListenOn(t testing.TB, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// mustListenAfterFreePort listens on every address of the machine. The port before the port of the listener is free, and stays free because
// both ports are below the range of outgoing connections.
func mustListenAfterFreePort(t testing.TB) net.Listener {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(10_000)
		free, err := net.Listen("tcp", fmt.Sprintf(":%d", port-1))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		_ = free.Close()
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
			return l
		}
	}
	t.Fatal("no two ports in a row are free")
	return nil
}

func TestDemoFallsBackToFreePorts(t *testing.T) {
	own, every := mustListenOn(t, "127.0.0.1:0"), mustListenAfterFreePort(t)
	for _, tt := range []struct {
		flag, want string
		set        func(*demo.Config)
	}{
		{"api", own.Addr().String() + " (API)", func(c *demo.Config) { c.API = before(own, 0) }},
		{"proxy", own.Addr().String() + " (proxy)", func(c *demo.Config) { c.Proxy = before(own, 0) }},
		{"lookupd", own.Addr().String() + " (nsqlookupd)", func(c *demo.Config) { c.LookupdHTTP = before(own, 0) }},
		{"lookupd-tcp", before(every, 0) + " (nsqlookupd)", func(c *demo.Config) { c.LookupdTCP = before(every, 0) }}, // the listener every listens on all addresses, so also on this one
		{"nsqd-tcp", before(every, 0) + " (nsqd)", func(c *demo.Config) { c.NSQDTCP = before(every, 1) }},             // the HTTP port of the first nsqd is in use
		{"dataserver", own.Addr().String() + " (data servers)", func(c *demo.Config) { c.DataServer = before(own, 0) }},
	} {
		t.Run(tt.flag, func(t *testing.T) {
			cfg := anywhere()
			cfg.NSQD, cfg.Servers = 1, 1
			cfg.Explicit = func(flag string) bool { return flag != tt.flag }
			tt.set(&cfg)
			out, stop := mustDemo(t, cfg)
			fixture.Eventually(t, 10*time.Second, "banner", func() bool { return strings.Contains(out.String(), "as they happen:\n") })
			api := strings.TrimPrefix(out.row(t, "API"), "http://")
			_, lookupd, _ := strings.Cut(out.row(t, "nsqlookupd"), "http ")
			for _, want := range []string{
				"In use, replaced by free ports: " + tt.want + ". For the commands below, set\n",
				"  export ROLLCALL_API=" + api + " ROLLCALL_NSQ_LOOKUPD=" + lookupd + "\n",
			} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			client := mustClient(t, api)
			if _, err := client.Status(t.Context()); err != nil {
				t.Error(err)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}

			cfg.Explicit = func(string) bool { return true }
			err := demo.Run(t.Context(), cfg, &output{}, zap.NewNop())
			if err == nil || !strings.Contains(err.Error(), "in use") {
				t.Errorf("got %v for an address that was given, want that it is in use", err)
			}
		})
	}
}

// The ports of many nsqd include the default ports of nsqlookupd and of the API.
func TestDemoServersDoNotCollide(t *testing.T) {
	at := freePorts(t, 4)
	for _, tt := range []struct {
		name     string
		explicit string
		set      func(*demo.Config)
		want     string
	}{
		{"nsqd and nsqlookupd", "", func(c *demo.Config) { c.NSQDTCP, c.LookupdTCP = at, portAfter(t, at, 3) }, portAfter(t, at, 3) + " (nsqd)"},
		{"nsqd and API", "", func(c *demo.Config) { c.NSQDTCP, c.API = at, portAfter(t, at, 1) }, portAfter(t, at, 1) + " (nsqd)"},
		{"data servers and proxy", "", func(c *demo.Config) { c.DataServer, c.Proxy = at, portAfter(t, at, 1) }, portAfter(t, at, 1) + " (data servers)"},
		{"API and an address that is given", "dataserver", func(c *demo.Config) { c.API, c.DataServer = portAfter(t, at, 1), at }, portAfter(t, at, 1) + " (API)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := anywhere()
			cfg.NSQD, cfg.Servers = 2, 2
			cfg.Explicit = func(flag string) bool { return flag == tt.explicit }
			tt.set(&cfg)
			out, stop := mustDemo(t, cfg)
			fixture.Eventually(t, 10*time.Second, "banner", func() bool { return strings.Contains(out.String(), "as they happen:\n") })
			if want := "In use, replaced by free ports: " + tt.want + "."; !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, out)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// freePorts returns the first address of n free ports in a row, below the range of outgoing connections.
func freePorts(t testing.TB, n int) (first string) {
	t.Helper()
	for range 100 {
		first = fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000))
		free := 0
		for free < n {
			l, err := net.Listen("tcp", portAfter(t, first, free))
			if err != nil {
				break
			}
			_ = l.Close()
			free++
		}
		if free == n {
			return first
		}
	}
	t.Fatalf("found no %d free ports", n)
	return ""
}

func portAfter(t testing.TB, addr string, n int) string {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.Port+n)
}
