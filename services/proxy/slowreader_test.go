package proxy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// The proxy does not cut off a client that reads a large response slowly and steadily, even if the kernel buffers much of the response.
func TestSlowSteadyReader(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 20 s")
	}
	t.Parallel()
	const size, stall = 8 << 20, 1500 * time.Millisecond
	addr := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(make([]byte, size))
	})
	front, clients := certified(t)
	for _, name := range []string{"plain", "TLS", "HTTP/2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(c *proxy.Config) {
				c.StallTimeout = stall
				if name != "plain" {
					c.TLS = front
				}
			}, server("a", addr))
			transport := &http.Transport{DisableCompression: true, ForceAttemptHTTP2: name == "HTTP/2", TLSClientConfig: clients.Clone()}
			if name == "TLS" {
				transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			}
			defer transport.CloseIdleConnections()
			url := f.url("/data/big")
			if name != "plain" {
				url = "https://" + f.addr + "/data/big"
			}
			req, _ := http.NewRequest(http.MethodGet, url, nil)
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got := int64(0)
			for err == nil {
				var n int64
				n, err = io.CopyN(io.Discard, resp.Body, 32<<10) // 32 KiB and then a pause of 64 ms: 0.5 MB per second
				got += n
				fixture.Sleep(64 * time.Millisecond)
			}
			if err != io.EOF || got != size {
				t.Errorf("got %d bytes, %v", got, err)
			}
		})
	}
}

// A client that has read much may pause for longer than the stall timeout, up to a limit.
func TestReaderPausesInLargeResponse(t *testing.T) {
	const size, stall = 64 << 20, 200 * time.Millisecond
	addr := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(make([]byte, size))
	})
	for _, row := range []struct {
		name  string
		taken int64
		pause time.Duration
		whole bool
	}{
		{"after it has read much", 16 << 20, 5 * stall, true},
		{"longer than the limit", 16 << 20, 40 * stall, false},
		{"before it has read anything", 0, 40 * stall, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(c *proxy.Config) { c.StallTimeout = stall }, server("a", addr))
			resp, err := client(t).Get(f.url("/data/big"))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if _, err := io.CopyN(io.Discard, resp.Body, row.taken); err != nil {
				t.Fatal(err)
			}
			fixture.Sleep(row.pause)
			n, err := io.Copy(io.Discard, resp.Body)
			if whole := err == nil && n == size-row.taken; whole != row.whole {
				t.Errorf("%d of %d bytes came after the pause, %v; whole: %t, want %t", n, size-row.taken, err, whole, row.whole)
			}
		})
	}
}
