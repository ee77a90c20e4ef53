package proxy_test

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// smuggled is a request that tests hide in or after the body of another request. It must not reach a server.
const smuggled = "GET /data/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

// A malformed or incomplete body affects only its own request: no server receives a complete request, the proxy does not read the bytes
// after the body as a request, and it blames no server.
func TestMalformedBodies(t *testing.T) {
	t.Parallel()
	chunks := func(body string) string {
		return "POST /data/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body
	}
	w := newStrictServer(t, nil)
	f := start(t, nil, server("a", w.addr))
	for _, row := range []struct {
		name    string
		request string
	}{
		{"less than a short length", "POST /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + smuggled},
		{"less than a long length", "POST /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + smuggled},
		{"a length and no body", "PUT /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"},
		{"no chunks", chunks("")},
		{"a part of a chunk", chunks("1000\r\n" + smuggled)},
		{"no last chunk", chunks("4\r\nbody\r\n")},
		{"no end of the last chunk", chunks("4\r\nbody\r\n0\r\n")},
		{"a size that is not a number", chunks("zz\r\n" + smuggled)},
		{"a second size that is not a number", chunks("4\r\nbody\r\nzz\r\n" + smuggled)},
		{"an empty size", chunks("\r\n" + smuggled)},
		{"a negative size", chunks("-4\r\nbody\r\n0\r\n\r\n" + smuggled)},
		{"a size with a prefix", chunks("0x4\r\nbody\r\n0\r\n\r\n" + smuggled)},
		{"a size with an underscore", chunks("1_0\r\nbody\r\n0\r\n\r\n" + smuggled)},
		{"a size beyond 64 bits", chunks("fffffffffffffffff\r\n" + smuggled)},
		{"a size that ends with LF", chunks("4\nbody\r\n0\r\n\r\n" + smuggled)},
		{"a size that ends with CR", chunks("4\rbody\r\n0\r\n\r\n" + smuggled)},
		{"an extension that ends with LF", chunks("4;a\nbody\r\n0\r\n\r\n" + smuggled)},
		{"an extension that does not end", chunks("4;" + strings.Repeat("a", 8<<10) + "\r\nbody\r\n0\r\n\r\n" + smuggled)},
		{"more bytes than the size of the chunk", chunks("4\r\nbodybody\r\n0\r\n\r\n" + smuggled)},
		{"a chunk without its end", chunks("4\r\nbody0\r\n\r\n" + smuggled)},
		{"a malformed trailer", chunks("4\r\nbody\r\n0\r\n" + "no trailer\r\n\r\n" + smuggled)},
		{"a trailer that does not end", chunks("4\r\nbody\r\n0\r\nX-A: " + strings.Repeat("a", 64<<10))},
		{"a request in place of the trailer", chunks("4\r\nbody\r\n0\r\n" + smuggled[:len(smuggled)-2])},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := f.of(t)
			for range 6 { // one more than the 5 failures that eject a server
				c := f.dial().(*net.TCPConn)
				_, _ = io.WriteString(c, row.request)
				_ = c.CloseWrite()
				_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
				got, err := io.ReadAll(c)
				if nerr, ok := err.(net.Error); ok && nerr.Timeout() {
					t.Error("it was not closed")
				}
				if n := strings.Count(string(got), "HTTP/1.1 "); n > 1 || n == 1 && !strings.HasPrefix(string(got), "HTTP/1.1 400 ") {
					t.Errorf("got %q", got)
				}
			}
			if got := w.take(); len(got) != 0 {
				t.Errorf("the server got %q", got)
			}
			if a := f.get("/data/x"); a.status != http.StatusOK {
				t.Errorf("a good request got %d %s", a.status, a.body)
			}
			w.take()
			f.checkNoFailures()
		})
	}
}

// A client that stays connected gets a response of the type application/problem+json if its body is malformed.
func TestResponseToMalformedBody(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f := start(t, nil, server("a", w.addr))
	for range 200 {
		a := f.ask("POST /data/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nzz\r\n")
		if a.status != http.StatusBadRequest || a.header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("got %d %v %s", a.status, a.header, a.body)
		}
		if a.header.Get("X-Request-Id") == "" {
			t.Fatal("the problem has no id")
		}
	}
	f.checkNoFailures()
}

// If the proxy does not read the rest of a request body, it must not parse this rest as a request.
func TestUnreadBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	early := func(status string) func(t *testing.T) (addr string) {
		return func(t *testing.T) string { // the server responds after it has received the header, and does not read the body
			return fixture.Serve(t, func(c net.Conn) {
				for r := bufio.NewReader(c); ; {
					switch head := headOf(r); {
					case head == "":
						return
					case strings.Contains(head, "smuggled"):
						t.Error("a second request reached the server")
					}
					_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 2\r\n\r\nno")
				}
			})
		}
	}
	breaks := func(t *testing.T) string {
		return fixture.Serve(t, func(c net.Conn) {
			_, _, _ = readHead(c)
			reset(c)
		})
	}
	dead := func(t *testing.T) string { return refusing(t) }
	const length, long, chunked = "Content-Length: 100000\r\n", "Content-Length: 10000000\r\n", "Transfer-Encoding: chunked\r\n"
	for _, row := range []struct {
		name   string
		server func(t *testing.T) string
		path   string // "" means /data/x
		head   string
		status int
	}{
		{"refused early, with a length", early("403 Forbidden"), "", length, 403},
		{"refused early, with a longer length", early("413 Too Large"), "", long, 413},
		{"refused early, in chunks", early("403 Forbidden"), "", chunked, 403},
		{"200 before the body", early("200 OK"), "", length, 200},
		{"the server cannot be reached", dead, "", length, 502},
		{"the server cannot be reached, in chunks", dead, "", chunked, 502},
		{"the server resets the connection", breaks, "", length, 502},
		{"the server resets the connection, in chunks", breaks, "", chunked, 502},
		{"no such service", dead, "/nobody/x", length, 503},
		{"no such service, a short length", dead, "/nobody/x", "Content-Length: 1000\r\n", 503},
		{"no such path, in chunks", dead, "/", chunked, 404},
		{"a bad path", dead, "/data/..", length, 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(c *proxy.Config) { c.StallTimeout = 300 * time.Millisecond }, server("a", row.server(t)))
			c := f.dial()
			_, _ = io.WriteString(c, "POST "+cmp.Or(row.path, "/data/x")+" HTTP/1.1\r\nHost: h\r\n"+row.head+"\r\n")
			r := bufio.NewReader(c)
			if a := f.receive(r, c, "POST"); a.status != row.status {
				t.Errorf("got %d %s, want %d", a.status, a.body, row.status)
			}
			_, _ = io.WriteString(c, smuggled)
			_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
			more, err := io.ReadAll(r)
			if len(more) != 0 {
				t.Errorf("the rest of the body was answered: %q", more)
			}
			if nerr, ok := err.(net.Error); ok && nerr.Timeout() {
				t.Error("the connection was kept")
			}
		})
	}
}

// headOf reads and returns the header of a request, with the empty line at its end.
func headOf(r *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// A server responds with an error before the end of the body. A client that sends its whole body before it reads still gets this response.
func TestEarlyErrorResponse(t *testing.T) {
	t.Parallel()
	addr := fixture.Serve(t, func(c net.Conn) {
		if r := bufio.NewReader(c); headOf(r) != "" {
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		}
	})
	f := start(t, nil, server("a", addr))
	for range 20 {
		for name, send := range map[string]string{
			"with a length": "Content-Length: 200000\r\n\r\n" + strings.Repeat("a", 200_000),
			"in chunks":     "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat("a", 4096)+"\r\n", 50) + "0\r\n\r\n",
		} {
			c := f.dial()
			_, _ = io.WriteString(c, "POST /data/x HTTP/1.1\r\nHost: h\r\n"+send)
			r := bufio.NewReader(c)
			if a := f.receive(r, c, "POST"); a.status != 413 {
				t.Errorf("%s: got %d %s", name, a.status, a.body)
			}
			// After a body with a length, the connection must not end with a reset: a reset would make the client's kernel discard a
			// response that the client has not read yet. A reset is allowed after a chunked body, because the proxy cannot skip the rest of
			// such a body.
			_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := r.ReadByte(); errors.Is(err, syscall.ECONNRESET) && name == "with a length" {
				t.Errorf("%s: the connection ended with %v", name, err)
			}
		}
	}
}

// A connection ends after a request whose end is ambiguous (RFC 9112, 6.1 and 6.3).
func TestAmbiguousFramingEndsConnection(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"a length and chunks": "POST /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 51\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"a length and chunks in HTTP/1.0": "POST /data/x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2c\r\n" +
			smuggled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStrictServer(t, nil)
			f := start(t, nil, server("a", w.addr))
			if got := f.raw(request); strings.Count(got, "HTTP/1.") != 1 {
				t.Errorf("got %q", got)
			}
			if got := w.take(); len(got) > 1 {
				t.Errorf("the server got %q", got)
			}
			f.checkNoFailures()
		})
	}
}

func TestClientDisconnectsDuringResponse(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{}, 8)
	f := start(t, nil, server("a", backend(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				gone <- struct{}{}
				return
			}
		}
	})))
	for range 6 {
		c := f.dial()
		_, _ = io.WriteString(c, "GET /data/x HTTP/1.1\r\nHost: h\r\n\r\n")
		_, _ = io.ReadFull(c, make([]byte, 100<<10))
		reset(c)
		<-gone
	}
	fixture.Eventually(t, 5*time.Second, "all requests have ended", func() bool { return f.metric("rollcall_proxy_attempts_total") == 6 })
	f.checkNoFailures()
}

func TestRequestTrailers(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f := start(t, nil, server("a", w.addr))
	a := f.ask("POST /data/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Forwarded-For, X_Sum\r\n\r\n4\r\nbody\r\n0\r\n" +
		"X-Sum: 1\r\nX-Other: 2\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX_Sum: 3\r\nConnection: close\r\nHost: evil\r\n" +
		"Transfer-Encoding: chunked\r\nContent-Length: 4\r\nX-Request-Id: evil\r\n\r\n")
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	s := w.last(t)
	if got := s.fields("Trailer"); len(got) != 1 || got[0] != "X-Sum" {
		t.Errorf("announced: %q", got)
	}
	for _, line := range []string{"X-Sum: 1\r\n", "X-Other: 2\r\n"} {
		if !strings.Contains(s.trailer, line) {
			t.Errorf("%q is not in %q", line, s.trailer)
		}
	}
	if strings.Count(s.trailer, "\r\n") != 2 || s.body != "body" {
		t.Errorf("got %q and then %q", s.body, s.trailer)
	}
}
