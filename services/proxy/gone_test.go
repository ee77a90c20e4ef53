package proxy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// If a client closes its connection while its request is handled, the request ends soon: the connection to the server closes, and the context
// of a handler in this process ends.
func TestRequestEndsWithItsClient(t *testing.T) {
	t.Parallel()
	front, clients := certified(t)
	plain := func(c net.Conn) net.Conn { return c }
	secure := func(c net.Conn) net.Conn { return tls.Client(c, withServerName(clients)) }
	for _, row := range []struct {
		name    string
		request string
		tls     *tls.Config
		client  func(net.Conn) net.Conn
	}{
		{"without a body", "GET /%s/ HTTP/1.1\r\nHost: h\r\n\r\n", nil, plain},
		{"without a body, over TLS", "GET /%s/ HTTP/1.1\r\nHost: h\r\n\r\n", front, secure},
		{"with an empty body", "GET /%s/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", nil, plain},
		{"with a body", "POST /%s/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", nil, plain},
		{"with chunks", "POST /%s/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", nil, plain},
		{"after a request", "GET /quick/ HTTP/1.1\r\nHost: h\r\n\r\nGET /%s/ HTTP/1.1\r\nHost: h\r\n\r\n", nil, plain},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			begun, ended := make(chan bool, 1), make(chan bool, 1)
			waits := fixture.Serve(t, func(c net.Conn) {
				r, _, _ := readHead(c)
				begun <- true
				_, _ = io.Copy(io.Discard, r)
				ended <- true
			})
			handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				begun <- true
				<-r.Context().Done()
				ended <- true
			})
			quick := server("quick", namedBackend(t, "quick"))
			quick.Service = "quick"
			f := start(t, func(c *proxy.Config) {
				c.TLS = row.tls
				c.Routes = []proxy.Route{{Prefix: "/handler", Handler: "waits"}}
				c.Handlers = map[string]http.Handler{"waits": handler}
			}, server("waits", waits), quick)
			for _, to := range []string{"data", "handler"} {
				c := row.client(f.dial())
				fixture.Must(t, second(fmt.Fprintf(c, row.request, to)))
				<-begun
				fixture.Must(t, c.Close())
				select {
				case <-ended:
				case <-time.After(5 * time.Second):
					t.Errorf("/%s/: the request did not end with its client", to)
				}
			}
			fixture.Eventually(t, 5*time.Second, "a request with the status 499", func() bool {
				return f.metric("rollcall_proxy_requests_total", "code=499") == 1
			})
			if n := f.failures(); n != 0 {
				t.Errorf("%v failures of the server, want none", n)
			}
		})
	}
}

func second(_ int, err error) error { return err }
