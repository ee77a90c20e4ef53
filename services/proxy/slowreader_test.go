package proxy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"rollcall/services/proxy"
)

// A client that takes a big answer slowly and steadily keeps its connection, however much of the answer the kernel has room for.
func TestAClientThatTakesItsAnswerSlowlyAndSteadily(t *testing.T) {
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
				n, err = io.CopyN(io.Discard, resp.Body, 32<<10) // half a MB a second
				got += n
				pass(64 * time.Millisecond)
			}
			if err != io.EOF || got != size {
				t.Errorf("got %d bytes, %v", got, err)
			}
		})
	}
}
