package proxy_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

func TestStopWaitsForRequests(t *testing.T) {
	asked, finish := make(chan struct{}, 1), make(chan struct{})
	f := start(t, nil, server("a", backend(t, func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-finish
		_, _ = io.WriteString(w, "done")
	})))
	got := make(chan response, 1)
	go func() { got <- f.get("/data/x") }()
	<-asked
	stopped := make(chan struct{})
	go func() {
		f.stop()
		close(stopped)
	}()
	fixture.Eventually(t, 5*time.Second, "the port is closed", func() bool {
		c, err := net.Dial("tcp", f.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	close(finish)
	if a := <-got; a.status != http.StatusOK || a.body != "done" {
		t.Errorf("got %d %q", a.status, a.body)
	}
	<-stopped
}

// While the proxy stops, each response has Connection: close, so that no client sends another request on a connection that the proxy
// closes.
func TestStopClosesConnectionsWithResponse(t *testing.T) {
	f := start(t, func(c *proxy.Config) { c.Linger = 300 * time.Millisecond }, server("a", namedBackend(t, "a")))
	c := f.dial()
	r := bufio.NewReader(c)
	ask := func() *http.Response {
		t.Helper()
		_, _ = io.WriteString(c, "GET /data/x HTTP/1.1\r\nHost: h\r\n\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp
	}
	if ask().Close {
		t.Fatal("the connection is closed although the proxy does not stop")
	}
	go f.stop()
	fixture.Eventually(t, 5*time.Second, "an answer that ends the connection", func() bool { return ask().Close })
}

func TestStopCutsOffLongRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the 6 s that requests have to finish")
	}
	asked := make(chan struct{}, 1)
	f := start(t, nil, server("a", fixture.Serve(t, func(c net.Conn) {
		_, _, _ = readHead(c)
		asked <- struct{}{}
		_, _ = io.Copy(io.Discard, c)
	})))
	c := f.dial()
	_, _ = io.WriteString(c, "GET /data/x HTTP/1.1\r\nHost: h\r\n\r\n")
	<-asked
	begun := time.Now()
	f.stop()
	if took := time.Since(begun); took < 6*time.Second || took > 8*time.Second {
		t.Errorf("the stop took %v, want 6.5 s", took)
	}
	if got, err := io.ReadAll(c); err == nil && strings.Contains(string(got), " 200 ") {
		t.Errorf("got %q", got)
	}
}

// After Run has returned, no goroutine enforces the timeouts. So the proxy must end a request at once and not wait for the server.
func TestRequestsAfterRun(t *testing.T) {
	r := newFakeRegistry()
	r.set(server("a", fixture.Serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })))
	p, err := proxy.New(proxy.Config{Registry: r, Tick: 10 * time.Millisecond, Timeouts: proxy.Timeouts{ResponseTimeout: 100 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	fixture.Eventually(t, 5*time.Second, "member", func() bool { _, err := p.Pick(t.Context(), "data", "", ""); return err == nil })
	cancel()
	<-ran
	s := &http.Server{Handler: p}
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	c := client(t)
	c.Timeout = 2 * time.Second
	resp, err := c.Get("http://" + l.Addr().String() + "/data/x")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}
