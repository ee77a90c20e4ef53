package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"rollcall/integration/fixture"
)

// The proxy does not forward the fields that Connection names, whatever else Connection contains.
func TestFieldsNamedByConnectionAreRemoved(t *testing.T) {
	t.Parallel()
	const secrets = "X-Secret: 1\r\nX-OTHER: 2\r\nX-Stays: 3\r\n"
	for name, lines := range map[string]string{
		"with close":                   "Connection: X-Secret, x-other, close\r\n",
		"after close":                  "Connection: close, X-Secret,X-Other\r\n",
		"with Close":                   "connection: Close,\tx-secret , X-OTHER\r\n",
		"in two fields":                "Connection: X-Secret\r\nConnection: close, X-Other\r\n",
		"in three fields":              "Connection: close\r\nCONNECTION: X-Secret\r\nConnection: ,X-Other,,\r\n",
		"with keep-alive":              "Connection: keep-alive, X-Secret, X-Other\r\n",
		"with both":                    "Connection: keep-alive, X-Secret, close, X-Other\r\n",
		"over two lines":               "Connection: close,\r\n X-Secret,\r\n\tX-Other\r\n",
		"in a header of several reads": "X-Long: " + strings.Repeat("a", 9000) + "\r\nConnection: close, X-Secret, X-Other\r\n",
	} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run("HTTP/"+version+", "+name, func(t *testing.T) {
				t.Parallel()
				stays := func(what string, h http.Header) {
					if len(h["X-Secret"]) != 0 || len(h["X-Other"]) != 0 || h.Get("X-Stays") != "3" {
						t.Errorf("%s has %v", what, h)
					}
				}
				got := make(chan http.Header, 1)
				f := start(t, nil, server("a", responding(t, func(c net.Conn, req *http.Request) {
					got <- req.Header
					_, _ = io.WriteString(c, "HTTP/"+version+" 200 OK\r\n"+lines+secrets+"Content-Length: 0\r\n\r\n")
				})))
				stays("the response", f.ask("GET /data/x HTTP/"+version+"\r\nHost: h\r\n"+lines+secrets+"\r\n").header)
				stays("the request", <-got)
			})
		}
	}
}

// If a line of the body looks like a Connection field, the proxy does not treat it as a field.
func TestConnectionLineInBody(t *testing.T) {
	t.Parallel()
	const body = "Connection: X-Stays\r\n\r\n"
	f := start(t, nil, server("a", evil(t, "HTTP/1.1 103 Early Hints\r\nConnection: X-Stays, close\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nX-Stays: 3\r\nContent-Length: 23\r\n\r\n"+body, true)))
	if a, err := f.getEvil("GET"); err != nil || a.header.Get("X-Stays") != "3" || a.body != body {
		t.Errorf("got %v %q, %v", a.header, a.body, err)
	}
}

// The proxy does not reuse a connection to a server after a response whose end is ambiguous.
func TestConnectionAfterAmbiguousResponse(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, method, response string
		kept                   bool
	}{
		{"204 in chunks", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		{"204 with a length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n", false},
		{"204 to HEAD with a length", "HEAD", "HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n", false},
		{"304 in chunks", "GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		{"103 with a length", "GET", "HTTP/1.1 103 Early Hints\r\nContent-Length: 44\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
		{"103 in chunks", "GET", "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
		{"a length together with chunks", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 51\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		{"chunks of HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", false},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", true},
		{"204 with a length of 0", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", true},
		{"205", "GET", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", true},
		{"205 in chunks", "GET", "HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		{"304 with the length of the unchanged body", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n", true},
		{"to HEAD, with the length of the body of GET", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n", true},
		{"to HEAD, in chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true},
		{"in chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		{"of HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var conns atomic.Int64
			f := start(t, nil, server("a", fixture.Serve(t, func(c net.Conn) {
				conns.Add(1)
				for r := bufio.NewReader(c); ; {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					if req.URL.Path == "/first" {
						_, _ = io.WriteString(c, row.response)
					} else {
						_, _ = io.WriteString(c, okResponse)
					}
				}
			})))
			for range 3 {
				f.send(row.method, "/data/first", "")
				if a := f.get("/data/next"); a.status != http.StatusOK || a.body != "ok" {
					t.Errorf("the next response is %d %q", a.status, a.body)
				}
			}
			want := int64(4) // 1 for the first request and 1 for each of the 3 requests for /next, because each /first ends its connection
			if row.kept {
				want = 1
			}
			if n := conns.Load(); n != want {
				t.Errorf("%d connections, want %d", n, want)
			}
			f.checkNoFailures()
		})
	}
}

// A server sends bytes late, after a response without a body. The proxy does not take these bytes for the response to the next request.
func TestLateBodyAfterResponseWithoutBody(t *testing.T) {
	t.Parallel()
	late := make(chan struct{})
	f := start(t, nil, server("a", fixture.Serve(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if req.URL.Path == "/first" {
				_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n")
				<-late
				_, _ = io.WriteString(c, "5\r\nstale\r\n0\r\n\r\n")
				continue
			}
			_, _ = io.WriteString(c, okResponse)
		}
	})))
	for range 300 {
		f.send(http.MethodPost, "/data/first", "")
		go func() { late <- struct{}{} }()
		if a := f.send(http.MethodPost, "/data/next", ""); a.status != http.StatusOK || a.body != "ok" {
			t.Fatalf("got %d %q", a.status, a.body)
		}
	}
	f.checkNoFailures()
}
