package proxy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// Failures of one incarnation of a server do not count against the next incarnation of that server.
func TestFailuresOfOlderIncarnation(t *testing.T) {
	hangs := server("a", fixture.Serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }))
	f := start(t, func(c *proxy.Config) { c.ResponseTimeout = 500 * time.Millisecond }, hangs, server("b", namedBackend(t, "b")), server("c", namedBackend(t, "c")))
	for range 60 {
		go func() {
			req, _ := http.NewRequest(http.MethodPost, f.url("/data/x"), strings.NewReader("b"))
			if resp, err := client(t).Do(req); err == nil {
				_ = resp.Body.Close()
			}
		}()
	}
	fixture.Sleep(250 * time.Millisecond)
	next := *server("a", namedBackend(t, "a"))
	next.Incarnation = 2
	f.registry.set(&next, server("b", namedBackend(t, "b")), server("c", namedBackend(t, "c")))
	fixture.Sleep(700 * time.Millisecond)
	if n := f.metric("rollcall_proxy_ejected_servers"); n != 0 {
		t.Errorf("%v servers are ejected, want none", n)
	}
	for _, e := range f.registry.reported() {
		if e.Incarnation == 2 {
			t.Errorf("evidence against the new incarnation: %+v", e)
		}
	}
}

// Evidence about a failed connection contains the address and the incarnation that the proxy dialed, even if the server has got a new
// address since.
func TestEvidenceHasDialedAddress(t *testing.T) {
	dialing, fail := make(chan struct{}, 10), make(chan struct{})
	old := server("a", "127.0.0.1:1")
	f := start(t, func(c *proxy.Config) {
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			if addr != old.Addr {
				return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			}
			dialing <- struct{}{}
			<-fail
			return nil, syscall.ECONNREFUSED
		}
	}, old)
	got := make(chan struct{})
	go func() {
		defer close(got)
		if resp, err := client(t).Get(f.url("/data/x")); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-dialing
	next := *server("a", namedBackend(t, "a"))
	next.Incarnation = 2
	f.registry.set(&next)
	fixture.Eventually(t, 5*time.Second, "the new incarnation is known", func() bool {
		s, err := f.proxy.Pick(t.Context(), "data", "", "")
		return err == nil && s.Incarnation == 2
	})
	close(fail)
	<-got
	fixture.Sleep(50 * time.Millisecond)
	for _, e := range f.registry.reported() {
		if e.Addr != old.Addr || e.Incarnation != 1 {
			t.Errorf("evidence against %s, incarnation %d: %s; it was not dialed", e.Addr, e.Incarnation, e.Finding)
		}
	}
}
