package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/services/proxy"
)

func TestSlowClients(t *testing.T) {
	t.Parallel()
	const limit = 150 * time.Millisecond
	begin := func(t *testing.T, change func(*proxy.Config)) (*strictServer, *testProxy) {
		w := newStrictServer(t, nil)
		return w, start(t, change, server("a", w.addr))
	}
	// closes sends the given request, and returns everything received until the proxy closes the connection. It fails the test if the proxy
	// closes the connection earlier than 150 ms (limit) or later than 3 s after the start.
	closes := func(t *testing.T, f *testProxy, request string) string {
		begun := time.Now()
		c := f.dial()
		_, _ = io.WriteString(c, request)
		_ = c.SetReadDeadline(begun.Add(3 * time.Second))
		all, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("the connection was not closed: %v", err)
		}
		if took := time.Since(begun); took < limit {
			t.Errorf("the connection was closed after %v", took)
		}
		return string(all)
	}
	t.Run("a header that does not end", func(t *testing.T) {
		w, f := begin(t, func(c *proxy.Config) { c.HeaderTimeout = limit })
		closes(t, f, "GET /data/x HTTP/1.1\r\nHost: h\r\nX-A: ")
		if len(w.got())+w.wasCut() != 0 {
			t.Error("a server got a request")
		}
	})
	t.Run("nothing at all", func(t *testing.T) {
		_, f := begin(t, func(c *proxy.Config) { c.HeaderTimeout, c.IdleTimeout = limit, limit })
		if got := closes(t, f, ""); got != "" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("no further request", func(t *testing.T) {
		_, f := begin(t, func(c *proxy.Config) { c.IdleTimeout = limit })
		if got := closes(t, f, "GET /data/x HTTP/1.1\r\nHost: h\r\n\r\n"); strings.Count(got, "HTTP/1.1") != 1 || !strings.HasSuffix(got, "ok") {
			t.Errorf("got %q", got)
		}
	})
	for name, request := range map[string]string{
		"an incomplete short body": "POST /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nbo",
		"an incomplete long body":  "POST /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nbo",
		"an incomplete chunk":      "POST /data/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nbo",
	} {
		t.Run(name, func(t *testing.T) {
			w, f := begin(t, func(c *proxy.Config) { c.StallTimeout = limit })
			c := f.dial()
			begun := time.Now()
			_, _ = io.WriteString(c, request)
			r := bufio.NewReader(c)
			if a := f.receive(r, c, "POST"); a.status != http.StatusRequestTimeout || a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %d %s", a.status, a.body)
			}
			if took := time.Since(begun); took < limit || took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
			// The proxy does not read the rest of the body as a request.
			_, _ = io.WriteString(c, smuggled)
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			if more, _ := io.ReadAll(r); len(more) != 0 {
				t.Errorf("got %q", more)
			}
			if got := w.got(); len(got) != 0 {
				t.Errorf("the server got %q", got)
			}
			f.checkNoFailures()
		})
	}
}
