package proxy_test

import (
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// net/http sends 100 Continue in the goroutine that reads the request body. At the same time, another goroutine passes on early hints of
// the server. The client must get a whole response although both goroutines write to its connection.
func TestEarlyHintsWithExpectContinue(t *testing.T) {
	f := start(t, nil, server("a", responding(t, func(c net.Conn, req *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})))
	for range 50 {
		got := f.raw("POST /data/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
		if !strings.HasSuffix(got, "ok") {
			t.Fatalf("got %q", got)
		}
	}
}

// After the client has reset an HTTP/2 stream, net/http may still read the header of an interim response. If the proxy changed the
// header at that time, this would be a data race.
func TestEarlyHintsAndStreamResets(t *testing.T) {
	f := start(t, nil, server("a", responding(t, func(c net.Conn, _ *http.Request) {
		for range 8 {
			_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: a\r\nLink2: a\r\nLink3: a\r\n\r\n")
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})))
	front := httptest.NewUnstartedServer(f.proxy)
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	c := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer c.CloseIdleConnections()
	end := time.Now().Add(time.Second)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for time.Now().Before(end) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, front.URL+"/data/x", nil)
				if resp, err := c.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				cancel()
			}
		})
	}
	all.Wait()
}
