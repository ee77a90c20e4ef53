package proxy_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const chunkedPost = "POST /data/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"

// plainAndTLS calls the function test twice: with a proxy without TLS, and with a proxy with TLS. The function dial connects to that proxy.
func plainAndTLS(t *testing.T, addr string, test func(t *testing.T, f *testProxy, dial func() net.Conn)) {
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		f := start(t, nil, server("a", addr))
		test(t, f, f.dial)
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		f, clients := startTLS(t, addr)
		test(t, f, func() net.Conn { return tls.Client(f.dial(), withServerName(clients)) })
	})
}

func withServerName(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.ServerName = "127.0.0.1"
	return cfg
}

// The proxy keeps a connection open after a chunked request.
func TestConnectionAfterChunkedRequest(t *testing.T) {
	t.Parallel()
	addr := namedBackend(t, "ok")
	for name, requests := range map[string][]string{
		"only chunked requests":        {chunkedPost},
		"after requests with a length": {"POST /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", chunkedPost},
		"with empty lines":             {strings.Replace(chunkedPost, "body", "\r\n\r\n", 1)},
		"with a trailer":               {strings.Replace(chunkedPost, "0\r\n", "0\r\nX-Sum: 1\r\n", 1)},
		"HTTP/1.0 with a length":       {"POST /data/x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody"},
	} {
		t.Run(name, func(t *testing.T) {
			plainAndTLS(t, addr, func(t *testing.T, f *testProxy, dial func() net.Conn) {
				var sending sync.WaitGroup
				for range 4 {
					c := dial()
					sending.Go(func() {
						r := bufio.NewReader(c)
						for i := range 250 {
							_, _ = io.WriteString(c, requests[i%len(requests)])
							_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
							resp, err := http.ReadResponse(r, nil)
							if err != nil {
								t.Errorf("request %d: %v", i+1, err)
								return
							}
							_, _ = io.Copy(io.Discard, resp.Body)
							if resp.StatusCode != http.StatusOK || resp.Close {
								t.Errorf("request %d: got %d %v", i+1, resp.StatusCode, resp.Header)
								return
							}
						}
					})
				}
				sending.Wait()
				f.checkNoFailures()
			})
		})
	}
}

// pairs are header lines that announce both a length and chunks. Each entry spells them in another way.
var pairs = map[string]string{
	"the length first":      "Content-Length: 51\r\nTransfer-Encoding: chunked\r\n",
	"the length last":       "Transfer-Encoding: chunked\r\nContent-Length: 51\r\n",
	"in capitals":           "CONTENT-LENGTH: 51\r\nTRANSFER-ENCODING: CHUNKED\r\n",
	"in lower case":         "content-length:51\r\ntransfer-encoding:chunked\r\n",
	"with space":            "Content-Length: \t 51 \t\r\nTransfer-Encoding: \tchunked \r\n",
	"the length twice":      "Content-Length: 51\r\nTransfer-Encoding: chunked\r\nContent-Length: 51\r\n",
	"ends with LF":          "Content-Length: 51\nTransfer-Encoding: chunked\n",
	"over two lines":        "Content-Length:\r\n 51\r\nTransfer-Encoding:\r\n\tchunked\r\n",
	"an empty continuation": "Content-Length: 51\r\n \r\nTransfer-Encoding: chunked\r\n",
	"as a continuation":     "X-A: a\r\n Content-Length: 51\r\nTransfer-Encoding: chunked\r\n",
	"far apart":             "Content-Length: 51\r\nX-A: " + strings.Repeat("a", 5000) + "\r\nTransfer-Encoding: chunked\r\n",
}

// A request with both a length and chunks is the last request on its connection, for every spelling of the fields and every split of the
// bytes. If the proxy receives the header of this request together with the body of the previous request, the connection may end after the
// previous request.
func TestLengthAndChunksEndConnection(t *testing.T) {
	t.Parallel()
	const get, cutoff = "GET /data/x HTTP/1.1\r\nHost: h\r\n\r\n", 300 // each exchange splits the input at another position below 300
	for name, lines := range pairs {
		for _, before := range []struct {
			name, requests string
			least, most    int // the fewest and the most responses that the proxy may send
		}{
			{"nothing", "", 1, 1},
			{"one request", chunkedPost, 2, 2},
			{"two requests", chunkedPost + chunkedPost, 2, 3},
			{"one request without a body", get, 2, 2},
			{"one request without and one with a body", get + chunkedPost, 3, 3},
			{"one request with and one without a body", chunkedPost + get, 3, 3},
		} {
			t.Run(name+", after "+before.name, func(t *testing.T) {
				t.Parallel()
				w := newStrictServer(t, nil)
				l := newPipeListener()
				f := startOn(t, l, nil, server("a", w.addr))
				input := before.requests + "POST /data/x HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n0\r\n\r\n" + smuggled
				for cut := range min(len(input), cutoff) {
					got := l.exchange(t, input[:cut], input[cut:])
					if n := strings.Count(got, "HTTP/1.1 200 OK"); n < before.least || n > before.most || strings.Count(got, "HTTP/1.1 ") != n {
						t.Fatalf("split after %d bytes: got %q", cut, got)
					}
				}
				for _, s := range w.take() {
					if strings.Contains(s.line, "smuggled") {
						t.Errorf("the server got %q", s)
					}
				}
				f.checkNoFailures()
			})
		}
	}
}

func TestLengthAndChunksEndTLSConnection(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, newStrictServer(t, nil).addr, func(t *testing.T, f *testProxy, dial func() net.Conn) {
		for name, lines := range pairs {
			c := dial()
			_, _ = io.WriteString(c, chunkedPost+"POST /data/x HTTP/1.1\r\nHost: h\r\n"+lines+"\r\n0\r\n\r\n"+smuggled)
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			got, err := io.ReadAll(c)
			if err != nil || strings.Count(string(got), "HTTP/1.1 ") != 2 {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
		f.checkNoFailures()
	})
}

// HTTP/1.0 has no chunks. net/http assumes that an HTTP/1.0 request with chunks has no body. A proxy between the client and this proxy may
// assume that the request has a body, so the connection must end.
func TestChunksInHTTP10EndConnection(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	l := newPipeListener()
	f := startOn(t, l, nil, server("a", w.addr))
	for name, lines := range map[string]string{
		"only chunks": "", "after a length of 0": "Content-Length: 0\r\n", "with another method": "X-A: a\r\n",
	} {
		method := "POST"
		if lines == "X-A: a\r\n" {
			method = "GET"
		}
		input := method + " /data/x HTTP/1.0\r\nConnection: keep-alive\r\n" + lines + "Transfer-Encoding: chunked\r\n\r\n" + smuggled
		for cut := range len(input) {
			got := l.exchange(t, input[:cut], input[cut:])
			if strings.Count(got, "HTTP/1.") != 1 || !strings.Contains(got, " 200 OK") {
				t.Fatalf("%s, split after %d bytes: got %q", name, cut, got)
			}
		}
	}
	for _, s := range w.take() {
		if strings.Contains(s.line, "smuggled") {
			t.Errorf("the server got %q", s)
		}
	}
	f.checkNoFailures()
	c := start(t, nil, server("a", w.addr)).dial() // after a request without chunks, the connection stays open
	r := bufio.NewReader(c)
	for range 3 {
		_, _ = io.WriteString(c, "GET /data/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
}

// The proxy responds to OPTIONS * itself. It ends the connection after this request too if the request has both a length and chunks.
func TestLengthAndChunksOfOPTIONS(t *testing.T) {
	t.Parallel()
	f := start(t, nil, server("a", newStrictServer(t, nil).addr))
	got := f.raw("OPTIONS * HTTP/1.1\r\nHost: h\r\nContent-Length: 51\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled)
	if strings.Count(got, "HTTP/1.1 ") != 1 || !strings.Contains(got, "Connection: close") {
		t.Errorf("got %q", got)
	}
}

// pipeListener accepts connections in memory. Each write of the client is one read of the proxy.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return fuzzAddr{} }

// exchange writes the given pieces on a new connection, and returns everything that the proxy sends until it closes the connection.
func (l *pipeListener) exchange(t *testing.T, pieces ...string) string {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	l.conns <- theirs
	_ = ours.SetDeadline(time.Now().Add(5 * time.Second))
	var writing sync.WaitGroup
	writing.Go(func() {
		for _, piece := range pieces {
			_, _ = io.WriteString(ours, piece) // fails if the proxy closes first
		}
	})
	got, err := io.ReadAll(ours)
	if err != nil {
		t.Errorf("%v after %q", err, got)
	}
	_ = ours.Close()
	writing.Wait()
	return string(got)
}
