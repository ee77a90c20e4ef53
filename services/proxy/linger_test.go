package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// refusesBodies starts a server that responds with 413 before it has read the request body. The parameter response has the rest of the
// header and the body of this response.
func refusesBodies(t *testing.T, response string) string {
	return fixture.Serve(t, func(c net.Conn) {
		_, _, _ = readHead(c)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"+response)
	})
}

// A client that sends its whole body before it reads must get a response that the server sent before the end of that body.
func TestEarlyResponseReachesClientThatSendsFirst(t *testing.T) {
	t.Parallel()
	const length, chunked = "Content-Length: 3\r\n\r\nbig", "Transfer-Encoding: chunked\r\n\r\n3\r\nbig\r\n0\r\n\r\n"
	front, clients := certified(t)
	for _, row := range []struct {
		name     string
		response string
		path     string
		size     int // bytes of the body, which the client sends in 1.5 s
		tls      bool
		want     string
	}{
		{"12 MB", length, "/data/x", 12_000_000, false, " 413 "},
		{"12 MB, TLS", length, "/data/x", 12_000_000, true, " 413 "},
		{"12 MB, chunked response", chunked, "/data/x", 12_000_000, false, " 413 "},
		{"100 kB", length, "/data/x", 100_000, false, " 413 "},
		{"12 MB, unknown service", length, "/none/x", 12_000_000, false, " 503 "},
		{"12 MB, method not allowed", length, "/data/x", 12_000_000, false, " 405 "},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(c *proxy.Config) {
				if row.tls {
					c.TLS = front
				}
			}, server("a", refusesBodies(t, row.response)))
			c := f.dial()
			if row.tls {
				cfg := clients.Clone()
				cfg.ServerName = "127.0.0.1"
				c = tls.Client(c, cfg)
			}
			method := "POST"
			if row.want == " 405 " {
				method = "TRACE"
			}
			_, _ = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", method, row.path, row.size)
			piece := make([]byte, row.size/100)
			for i := range 100 {
				if _, err := c.Write(piece); err != nil {
					t.Fatalf("after %d percent of the body: %v", i, err)
				}
				fixture.Sleep(15 * time.Millisecond)
			}
			_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(resp.Proto+" "+resp.Status, row.want) {
				t.Errorf("got %s %q, %v", resp.Status, body, err)
			}
		})
	}
}

// If a server responds before the end of the request body, a client that is already reading receives the whole response and the end of the
// connection without delay.
func TestEarlyResponseIsNotDelayed(t *testing.T) {
	t.Parallel()
	for name, response := range map[string]string{
		"length": "Content-Length: 3\r\n\r\nbig", "chunked": "Transfer-Encoding: chunked\r\n\r\n3\r\nbig\r\n0\r\n\r\n", "until close": "\r\nbig",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil, server("a", refusesBodies(t, response)))
			c := f.dial()
			begun := time.Now()
			_, _ = io.WriteString(c, "POST /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\nbegin")
			_ = c.SetReadDeadline(begun.Add(5 * time.Second))
			all, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 413 ") {
				t.Errorf("got %q, %v", all, err)
			}
			if took := time.Since(begun); took > 400*time.Millisecond {
				t.Errorf("the response took %v", took)
			}
			begun = time.Now() // from here, measure f.stop while the client keeps its connection open
			f.stop()
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("stopping took %v", took)
			}
		})
	}
}
