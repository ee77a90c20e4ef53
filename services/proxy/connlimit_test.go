package proxy_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"

	"rollcall/services/connlimit"
	"rollcall/services/proxy"
)

func TestIdleConnectionsAreClosedAtConnectionLimit(t *testing.T) {
	t.Parallel()
	front, clients := certified(t)
	for name, row := range map[string]struct {
		cfg *tls.Config
		on  func(net.Conn) net.Conn
	}{
		"plain": {nil, func(c net.Conn) net.Conn { return c }},
		"TLS":   {front, func(c net.Conn) net.Conn { return tls.Client(c, withServerName(clients)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			bounded := connlimit.New(l, 2, func() {})
			f := startOn(t, bounded, func(c *proxy.Config) { c.TLS = row.cfg }, server("a", namedBackend(t, "ok")))
			for i := range 10 {
				c := row.on(f.dial())
				_, _ = io.WriteString(c, "GET /data/x HTTP/1.1\r\nHost: h\r\n\r\n")
				if a := f.receive(bufio.NewReader(c), c, "GET"); a.status != http.StatusOK {
					t.Fatalf("client %d: got %d", i+1, a.status)
				}
			}
			if bounded.Waits() == 0 || bounded.Open() > 2 {
				t.Errorf("%d waits, %d connections; want waits and at most 2 connections", bounded.Waits(), bounded.Open())
			}
		})
	}
}
