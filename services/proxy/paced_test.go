package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// The stall timeout limits the pauses of a client, not the time for a whole body. The test divides all times by 100: the real case is a
// client that sends 60 000 or 70 000 bytes at 1500 bytes per second, in 40 or 47 s, with a stall timeout of 30 s.
func TestSlowSteadyRequestBody(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, err)
	})
	front, clients := certified(t)
	plain := start(t, func(c *proxy.Config) { c.StallTimeout = stall }, server("a", addr))
	secure := start(t, func(c *proxy.Config) { c.StallTimeout, c.TLS = stall, front }, server("a", addr))
	h1 := client(t)
	h1s := client(t)
	h1s.Transport.(*http.Transport).TLSClientConfig = clients.Clone()
	h2 := client(t)
	h2.Transport.(*http.Transport).TLSClientConfig = clients.Clone()
	h2.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	for _, row := range []struct {
		name   string
		client *http.Client
		url    string
		size   int
		length bool
	}{
		{"60 000 bytes", h1, plain.url("/data/x"), 60_000, true},
		{"70 000 bytes", h1, plain.url("/data/x"), 70_000, true},
		{"60 000 bytes in chunks", h1, plain.url("/data/x"), 60_000, false},
		{"60 000 bytes by TLS", h1s, "https://" + secure.addr + "/data/x", 60_000, true},
		{"60 000 bytes by HTTP/2", h2, "https://" + secure.addr + "/data/x", 60_000, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			body, feed := io.Pipe()
			go func() {
				for left := row.size; left > 0; left -= 1500 {
					fixture.Sleep(10 * time.Millisecond)
					if _, err := feed.Write(make([]byte, min(left, 1500))); err != nil {
						return
					}
				}
				_ = feed.Close()
			}()
			req, err := http.NewRequest(http.MethodPost, row.url, body)
			if err != nil {
				t.Fatal(err)
			}
			if row.length {
				req.ContentLength = int64(row.size)
			}
			if a := do(t, row.client, req); a.status != http.StatusOK || a.body != fmt.Sprint(row.size, " <nil>") {
				t.Errorf("got %d %q", a.status, a.body)
			}
		})
	}
}

// A client cannot keep a request open for hours by sending a single byte of the body before each stall timeout ends.
func TestShortBodyByteByByte(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	w := newStrictServer(t, nil)
	f := start(t, func(c *proxy.Config) { c.StallTimeout = stall }, server("a", w.addr))
	c := f.dial()
	begun := time.Now()
	_, _ = io.WriteString(c, "POST /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
	go func() {
		for range 1000 {
			if _, err := io.WriteString(c, "x"); err != nil {
				return
			}
			fixture.Sleep(stall / 4)
		}
	}()
	_ = c.SetReadDeadline(begun.Add(5 * time.Second))
	line, _ := bufio.NewReader(c).ReadString('\n')
	if took := time.Since(begun); !strings.Contains(line, " 408 ") || took < stall || took > 10*stall {
		t.Errorf("got %q after %v, want a 408 after %v", line, took, 2*stall)
	}
	if got := w.got(); len(got) != 0 {
		t.Errorf("the server got %q", got)
	}
}
