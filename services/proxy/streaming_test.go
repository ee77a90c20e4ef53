package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// For every framing, the client receives each piece of a response before the server sends the next piece.
func TestResponseIsStreamed(t *testing.T) {
	t.Parallel()
	for name, response := range map[string]struct{ pieces, bodies []string }{
		"with a length": {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "a", "b", "c"}, []string{"", "a", "b", "c"}},
		"with a length, header and first piece together": {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", "bc"}, []string{"a", "bc"}},
		"in chunks":                   {[]string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", "1\r\nb\r\n", "0\r\n\r\n"}, []string{"", "a", "b"}},
		"with chunks in parts":        {[]string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na", "b", "c\r", "\n0\r\n\r\n"}, []string{"a", "b", "c"}},
		"with chunk sizes in parts":   {[]string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1", "\r\nb\r\n0", "\r\n\r\n"}, []string{"a", "b"}},
		"until the connection closes": {[]string{"HTTP/1.1 200 OK\r\n\r\n", "a", "b"}, []string{"", "a", "b"}},
		"in HTTP/1.0":                 {[]string{"HTTP/1.0 200 OK\r\n\r\na", "b"}, []string{"a", "b"}},
	} {
		for by, change := range map[string]func(*proxy.Config){
			"HTTP/1.1": func(*proxy.Config) {},
			"HTTP/1.1, the connection to the server is no socket": func(c *proxy.Config) {
				c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
					c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
					return struct{ net.Conn }{c}, err
				}
			},
			"HTTP/2": nil,
		} {
			t.Run(name+", "+by, func(t *testing.T) {
				t.Parallel()
				next := make(chan struct{}, len(response.pieces))
				addr := fixture.Serve(t, func(c net.Conn) {
					if _, _, err := readHead(c); err != nil {
						return
					}
					for _, piece := range response.pieces {
						_, _ = io.WriteString(c, piece)
						select {
						case <-next:
						case <-time.After(5 * time.Second):
							return
						}
					}
				})
				c, url := client(t), ""
				if change != nil {
					url = start(t, change, server("a", addr)).url("/data/x")
				} else {
					f, clients := startTLS(t, addr)
					transport := &http.Transport{TLSClientConfig: clients, ForceAttemptHTTP2: true}
					t.Cleanup(transport.CloseIdleConnections)
					c.Transport, url = transport, "https://"+f.addr+"/data/x"
				}
				resp, err := c.Get(url)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				for i, want := range response.bodies {
					got := make([]byte, len(want))
					if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
						t.Fatalf("piece %d: got %q, %v, want %q", i+1, got, err, want)
					}
					next <- struct{}{}
				}
				close(next)
				if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 0 {
					t.Errorf("got %q, %v at the end", rest, err)
				}
			})
		}
	}
}

// If the proxy receives a response in one read, it sends the response in one write.
func TestResponseInOnePieceIsOneWrite(t *testing.T) {
	t.Parallel()
	for name, response := range map[string]string{
		"with a length":  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
		"in chunks":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
		"events":         "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
		"without a body": "HTTP/1.1 204 No Content\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			counted := &writeCounter{Listener: l}
			f := startOn(t, counted, nil, server("a", evil(t, response, false)))
			c := f.dial()
			r := bufio.NewReader(c)
			for i := range 20 {
				_, _ = io.WriteString(c, "GET /data/evil HTTP/1.1\r\nHost: h\r\n\r\n")
				if a := f.receive(r, c, "GET"); a.body != "body" && a.status != 204 {
					t.Fatalf("got %d %q", a.status, a.body)
				}
				if n := counted.writes.Load(); n != int64(i+1) {
					t.Fatalf("%d writes for %d responses", n, i+1)
				}
			}
		})
	}
}

type writeCounter struct {
	net.Listener
	writes atomic.Int64
}

func (l *writeCounter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &countedConn{c, l}, err
}

type countedConn struct {
	net.Conn
	l *writeCounter
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.l.writes.Add(1)
	return c.Conn.Write(p)
}

// If a client does not read a streamed response, the proxy cuts the client off after the stall timeout, and does not blame the server.
func TestClientDoesNotReadStream(t *testing.T) {
	t.Parallel()
	piece := strings.Repeat("a", 64<<10)
	f := start(t, func(c *proxy.Config) { c.StallTimeout = 300 * time.Millisecond }, server("a", backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000000000")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	})))
	c := f.dial()
	_, _ = io.WriteString(c, "GET /data/x HTTP/1.1\r\nHost: h\r\n\r\n")
	fixture.Eventually(t, 5*time.Second, "it is cut off", func() bool { return f.metric("rollcall_proxy_attempts_total") == 1 })
	f.checkNoFailures()
}

// The server pauses for longer than the stall timeout of the client, before the rest of the body and before its end. Pieces that were
// received before a pause are sent before it, and the deadline of an earlier write must not end a later one.
func TestServerPausesInResponse(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	pieces := []string{"first", "second", "third"}
	f := start(t, func(c *proxy.Config) { c.StallTimeout = stall }, server("slow", responding(t, func(c net.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for _, piece := range pieces {
			fixture.Sleep(2 * stall)
			half := len(piece) / 2
			_, _ = fmt.Fprintf(c, "%x\r\n%s\r\n%x\r\n%s\r\n", half, piece[:half], len(piece)-half, piece[half:])
		}
		fixture.Sleep(2 * stall)
		_, _ = io.WriteString(c, "0\r\n\r\n")
	})))
	resp, err := client(t).Get(f.url("/data/"))
	fixture.Must(t, err)
	defer resp.Body.Close()
	for _, piece := range pieces {
		got := make([]byte, len(piece))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != piece {
			t.Fatalf("got %q, %v, want %q", got, err, piece)
		}
	}
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v after the last piece", rest, err)
	}
}
