package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// No request may fail although the only server closes each connection after a response, without announcing this with Connection: close.
func TestOnlyServerClosesIdleConnections(t *testing.T) {
	f := start(t, nil, server("a", fixture.Serve(t, func(c net.Conn) {
		if _, _, err := readHead(c); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})))
	c := client(t)
	bad := 0
	for range 100 {
		req, _ := http.NewRequest(http.MethodGet, f.url("/data/x"), nil)
		if a := do(t, c, req); a.status != http.StatusOK {
			bad++
		}
		fixture.Sleep(2 * time.Millisecond) // gives the proxy time to notice that the server has closed the connection
	}
	if bad > 0 {
		t.Errorf("%d of 100 GETs failed", bad)
	}
}

// If a server sends bytes after the end of a response, the proxy must not treat them as the next response.
func TestBytesAfterResponse(t *testing.T) {
	f := start(t, nil, server("a", responding(t, func(c net.Conn, req *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 56\r\n\r\n")
		if req.Method == http.MethodHead { // the server sends a body, which is wrong after HEAD, and sends it later than the header
			fixture.Sleep(5 * time.Millisecond)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nA: 12345\r\n\r\nstolen")
			return
		}
		_, _ = io.WriteString(c, strings.Repeat("r", 56))
	})))
	f.send(http.MethodHead, "/data/x", "")
	fixture.Sleep(20 * time.Millisecond)
	if a := f.get("/data/y"); a.status != http.StatusOK || a.body != strings.Repeat("r", 56) {
		t.Errorf("got %d %q", a.status, a.body)
	}
}

// The server may close an idle connection after the proxy has checked it and before the request is sent. The request must succeed
// nevertheless.
func TestServerClosesConnectionAsRequestIsSent(t *testing.T) {
	f := start(t, func(c *proxy.Config) { c.Balancer.Eject.After = -1 }, server("a", fixture.Serve(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			_, _ = r.ReadByte()
		}
	})))
	c := client(t)
	for range 20 {
		req, _ := http.NewRequest(http.MethodGet, f.url("/data/x"), nil)
		if a := do(t, c, req); a.status != http.StatusOK {
			t.Fatalf("got %d %s", a.status, a.body)
		}
	}
}
