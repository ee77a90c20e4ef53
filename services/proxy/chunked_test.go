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

// plainAndTLS runs a test against a front without and with TLS; dial connects to it.
func plainAndTLS(t *testing.T, addr string, test func(t *testing.T, f *fixture, dial func() net.Conn)) {
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

// Requests in chunks keep their connections, whatever else comes on these.
func TestChunkedRequestsKeepTheirConnections(t *testing.T) {
	t.Parallel()
	addr := answering(t, "ok")
	for name, requests := range map[string][]string{
		"in chunks alone":          {chunkedPost},
		"after ones with a length": {"POST /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", chunkedPost},
		"with empty lines":         {strings.Replace(chunkedPost, "body", "\r\n\r\n", 1)},
		"with a trailer":           {strings.Replace(chunkedPost, "0\r\n", "0\r\nX-Sum: 1\r\n", 1)},
		"HTTP/1.0 with a length":   {"POST /data/x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody"},
	} {
		t.Run(name, func(t *testing.T) {
			plainAndTLS(t, addr, func(t *testing.T, f *fixture, dial func() net.Conn) {
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
				f.sound()
			})
		})
	}
}

// pairs are spellings of a length beside chunks.
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

// Whatever the length beside chunks looks like and however it comes, nothing on the connection comes after it. Where it comes together
// with the body of a request before it, the connection may end one request early.
func TestALengthBesideChunksEndsTheConnection(t *testing.T) {
	t.Parallel()
	const get, cutoff = "GET /data/x HTTP/1.1\r\nHost: h\r\n\r\n", 300 // bytes in which the request is cut in two
	for name, lines := range pairs {
		for _, before := range []struct {
			name, requests string
			least, most    int // answers
		}{
			{"nothing", "", 1, 1},
			{"one", chunkedPost, 2, 2},
			{"two", chunkedPost + chunkedPost, 2, 3},
			{"one without a body", get, 2, 2},
			{"one without and one with a body", get + chunkedPost, 3, 3},
			{"one with and one without a body", chunkedPost + get, 3, 3},
		} {
			t.Run(name+", after "+before.name, func(t *testing.T) {
				t.Parallel()
				w := newWitness(t, nil)
				l := newPipeListener()
				f := startOn(t, l, nil, server("a", w.addr))
				input := before.requests + "POST /data/x HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n0\r\n\r\n" + smuggled
				for cut := range min(len(input), cutoff) {
					got := l.exchange(t, input[:cut], input[cut:])
					if n := strings.Count(got, "HTTP/1.1 200 OK"); n < before.least || n > before.most || strings.Count(got, "HTTP/1.1 ") != n {
						t.Fatalf("in two after %d bytes: got %q", cut, got)
					}
				}
				for _, s := range w.take() {
					if strings.Contains(s.line, "smuggled") {
						t.Errorf("the server got %q", s)
					}
				}
				f.sound()
			})
		}
	}
}

func TestALengthBesideChunksOverTLS(t *testing.T) {
	t.Parallel()
	plainAndTLS(t, newWitness(t, nil).addr, func(t *testing.T, f *fixture, dial func() net.Conn) {
		for name, lines := range pairs {
			c := dial()
			_, _ = io.WriteString(c, chunkedPost+"POST /data/x HTTP/1.1\r\nHost: h\r\n"+lines+"\r\n0\r\n\r\n"+smuggled)
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			got, err := io.ReadAll(c)
			if err != nil || strings.Count(string(got), "HTTP/1.1 ") != 2 {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
		f.sound()
	})
}

// HTTP/1.0 has no chunks: net/http takes such a request for one without a body, and somebody in front may not.
func TestChunksOfHTTP10EndTheConnection(t *testing.T) {
	t.Parallel()
	w := newWitness(t, nil)
	l := newPipeListener()
	f := startOn(t, l, nil, server("a", w.addr))
	for name, lines := range map[string]string{
		"alone": "", "after a length of 0": "Content-Length: 0\r\n", "with another method": "X-A: a\r\n",
	} {
		method := "POST"
		if lines == "X-A: a\r\n" {
			method = "GET"
		}
		input := method + " /data/x HTTP/1.0\r\nConnection: keep-alive\r\n" + lines + "Transfer-Encoding: chunked\r\n\r\n" + smuggled
		for cut := range len(input) {
			got := l.exchange(t, input[:cut], input[cut:])
			if strings.Count(got, "HTTP/1.") != 1 || !strings.Contains(got, " 200 OK") {
				t.Fatalf("%s, in two after %d bytes: got %q", name, cut, got)
			}
		}
	}
	for _, s := range w.take() {
		if strings.Contains(s.line, "smuggled") {
			t.Errorf("the server got %q", s)
		}
	}
	f.sound()
	c := start(t, nil, server("a", w.addr)).dial() // without chunks it keeps its connection
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

// OPTIONS * is for the proxy itself, and a length beside chunks ends its connection too.
func TestALengthBesideChunksOfOPTIONS(t *testing.T) {
	t.Parallel()
	f := start(t, nil, server("a", newWitness(t, nil).addr))
	got := f.raw("OPTIONS * HTTP/1.1\r\nHost: h\r\nContent-Length: 51\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled)
	if strings.Count(got, "HTTP/1.1 ") != 1 || !strings.Contains(got, "Connection: close") {
		t.Errorf("got %q", got)
	}
}

// pipeListener hands the proxy connections on which each write of the client is received as it is.
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

// exchange writes pieces, and returns all that comes back until the proxy closes.
func (l *pipeListener) exchange(t *testing.T, pieces ...string) string {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	l.conns <- theirs
	_ = ours.SetDeadline(time.Now().Add(5 * time.Second))
	var writing sync.WaitGroup
	writing.Go(func() {
		for _, piece := range pieces {
			_, _ = io.WriteString(ours, piece) // the last of it may not be read
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
