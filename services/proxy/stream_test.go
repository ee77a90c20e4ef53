package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

func TestBodiesOfEverySize(t *testing.T) {
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		if r.ContentLength >= 0 {
			w.Header().Set("Content-Length", r.Header.Get("X-Size"))
		}
		_, _ = io.Copy(w, r.Body)
	})
	f := start(t, nil, server("a", addr))
	c := client(t)
	for _, size := range []int{0, 1, 100, 4095, 4096, 8191, 8192, 8193, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 10 << 20} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, chunked %v", size, chunked), func(t *testing.T) {
				sent := make([]byte, size)
				_, _ = rand.Read(sent)
				var body io.Reader = bytes.NewReader(sent)
				if chunked {
					body = io.MultiReader(body) // hides the length from net/http
				}
				req, err := http.NewRequest(http.MethodPost, f.url("/data/echo"), body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("X-Size", fmt.Sprint(size))
				a := do(t, c, req)
				if a.status != http.StatusOK || sha256.Sum256([]byte(a.body)) != sha256.Sum256(sent) {
					t.Errorf("got %d and %d bytes, want the bytes that were sent", a.status, len(a.body))
				}
			})
		}
	}
}

// Client and server send in turns within one request, so the proxy must not buffer a body until its end.
func TestRequestAndResponseStreamAtTheSameTime(t *testing.T) {
	f := start(t, nil, server("a", backend(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		_ = control.Flush()
		in := bufio.NewReader(r.Body)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, "echo "+line)
			_ = control.Flush()
		}
	})))
	body, feed := io.Pipe()
	req, err := http.NewRequest(http.MethodPost, f.url("/data/talk"), body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := bufio.NewReader(resp.Body)
	for i := range 5 {
		_, _ = fmt.Fprintf(feed, "line %d\n", i)
		if got, err := out.ReadString('\n'); err != nil || got != fmt.Sprintf("echo line %d\n", i) {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	_ = feed.Close()
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v at the end", rest, err)
	}
}

func TestServerSentEvents(t *testing.T) {
	next := make(chan struct{})
	f := start(t, nil, server("a", backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range next {
			_, _ = io.WriteString(w, "data: x\n\n")
			_ = http.NewResponseController(w).Flush()
		}
	})))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, f.url("/data/events"), nil)
	go func() { next <- struct{}{} }()
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for range 3 {
		if line, err := in.ReadString('\n'); err != nil || line != "data: x\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		_, _ = in.ReadString('\n')
		next <- struct{}{}
	}
	close(next)
}

// The proxy closes the connection to the server when the client disconnects.
func TestClientDisconnects(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	f := start(t, nil, server("a", backend(t, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(ended)
	})))
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, f.url("/data/slow"), nil)
	go func() {
		if resp, err := client(t).Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-begun
	cancel()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the server still sends")
	}
	fixture.Eventually(t, 5*time.Second, "a request with the status 499", func() bool { return f.metric("rollcall_proxy_requests_total", "code=499") == 1 })
	if n := f.failures(); n != 0 {
		t.Errorf("%v failures of the server, want none", n)
	}
}

func TestTrailersOfBothSides(t *testing.T) {
	f := start(t, nil, server("a", backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", r.Trailer.Get("X-Request-Sum"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	})))
	req, _ := http.NewRequest(http.MethodPost, f.url("/data/x"), io.MultiReader(strings.NewReader("body")))
	req.Trailer = http.Header{"X-Request-Sum": {"42"}}
	a := do(t, client(t), req)
	if a.trailer.Get("X-Sum") != "42" || a.trailer.Get("X-Late") != "late" {
		t.Errorf("got trailers %v", a.trailer)
	}
}

func TestEarlyHints(t *testing.T) {
	f := start(t, nil, server("a", backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "body")
	})))
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
		return nil
	}})
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, f.url("/data/x"), nil)
	a := do(t, client(t), req)
	if want := []string{"103 </a.css>; rel=preload"}; !slices.Equal(hints, want) || a.body != "body" || a.header.Get("Link") != "" {
		t.Errorf("got hints %q, then %v %q", hints, a.header, a.body)
	}
}

// A server may respond before it has read the request body. The proxy then does not send the rest of the body.
func TestResponseBeforeEndOfBody(t *testing.T) {
	f := start(t, nil, server("a", fixture.Serve(t, func(c net.Conn) {
		_, _, _ = readHead(c)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
	})))
	for name, framing := range map[string]string{"length": "Content-Length: 1000000000", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			c := f.dial()
			_, _ = io.WriteString(c, "POST /data/x HTTP/1.1\r\nHost: h\r\n"+framing+"\r\n\r\n")
			sent := make(chan int, 1)
			go func() { // sends the body until the proxy closes the connection
				n := 0
				for err := error(nil); err == nil; n++ {
					_, err = io.WriteString(c, "8000\r\n"+strings.Repeat("x", 0x8000)+"\r\n")
				}
				sent <- n
			}()
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			got, _ := io.ReadAll(c)
			if !strings.HasPrefix(string(got), "HTTP/1.1 413 ") || !strings.HasSuffix(string(got), "big") {
				t.Errorf("got %q", got)
			}
			<-sent
		})
	}
	fixture.Eventually(t, 5*time.Second, "no request under way", func() bool { return f.metric("rollcall_proxy_requests_in_flight") == 0 })
}

// websocketEcho accepts a websocket upgrade, and then sends back all bytes that it receives.
func websocketEcho(c net.Conn) {
	r, req, err := readHead(c)
	if err != nil || req.Header.Get("Upgrade") != "websocket" || req.Header.Get("Connection") != "Upgrade" {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello ")
	_, _ = io.Copy(c, r)
}

const upgradeRequest = "GET /data/ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"

func mustUpgrade(t *testing.T, f *testProxy) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := f.dial()
	_, _ = io.WriteString(c, upgradeRequest+"first ")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Accept") != "x" || resp.Header.Get("X-Served-By") != "ws" {
		t.Fatalf("got %s %v", resp.Status, resp.Header)
	}
	got := make([]byte, len("hello first "))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "hello first " {
		t.Fatalf("got %q, %v", got, err)
	}
	return c, r
}

func TestWebsocket(t *testing.T) {
	f := start(t, nil, server("ws", fixture.Serve(t, websocketEcho)))
	c, r := mustUpgrade(t, f)
	for i := range 5 {
		sent := strings.Repeat(fmt.Sprint(i), 100_000)
		go func() { _, _ = io.WriteString(c, sent) }()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != sent {
			t.Fatalf("round %d: %v", i, err)
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v after the end", rest, err)
	}
	fixture.Eventually(t, 5*time.Second, "no request under way", func() bool { return f.metric("rollcall_proxy_requests_in_flight") == 0 })
}

func TestWebsocketEndsWithTheProxy(t *testing.T) {
	f := start(t, nil, server("ws", fixture.Serve(t, websocketEcho)))
	c, _ := mustUpgrade(t, f)
	begun := time.Now()
	f.stop()
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("the stop took %v", took)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
		t.Errorf("got %v, want the end of the connection", err)
	}
}

func TestRefusedWebsocket(t *testing.T) {
	f := start(t, nil, server("ws", namedBackend(t, "no websocket here")))
	if got := f.raw(upgradeRequest); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "no websocket here") {
		t.Errorf("got %q", got)
	}
}

func TestClientDoesNotReadResponse(t *testing.T) {
	var sent atomic.Int64
	f := start(t, func(c *proxy.Config) { c.StallTimeout = 200 * time.Millisecond }, server("a", backend(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			n, err := w.Write(make([]byte, 1<<20))
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})))
	c := f.dial()
	_, _ = io.WriteString(c, "GET /data/big HTTP/1.1\r\nHost: h\r\n\r\n")
	fixture.Eventually(t, 5*time.Second, "the client is cut off", func() bool { return f.metric("rollcall_proxy_requests_total", "service=data") == 1 })
	if n := f.failures(); n != 0 {
		t.Errorf("%v failures of the server, want none", n)
	}
	if sent.Load() > 900<<20 {
		t.Errorf("the server sent %d bytes after the client was cut off", sent.Load())
	}
}

func TestClientDoesNotSendBody(t *testing.T) {
	for name, length := range map[string]string{"short": "Content-Length: 10", "long": "Content-Length: 100000", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(c *proxy.Config) { c.StallTimeout = 100 * time.Millisecond }, server("a", backend(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
			})))
			got := f.raw("POST /data/x HTTP/1.1\r\nHost: h\r\n" + length + "\r\n\r\n")
			if !strings.HasPrefix(got, "HTTP/1.1 408 Request Timeout\r\n") {
				t.Errorf("got %q", got)
			}
			if n := f.failures(); n != 0 {
				t.Errorf("%v failures of the server, want none", n)
			}
		})
	}
}

// If a server stops reading the request body, the proxy blames the server, not the client.
func TestServerDoesNotReadBody(t *testing.T) {
	f := start(t, func(c *proxy.Config) { c.StallTimeout = 200 * time.Millisecond }, server("a", fixture.Serve(t, func(c net.Conn) {
		_, _, _ = readHead(c)
		<-t.Context().Done()
	})))
	req, _ := http.NewRequest(http.MethodPost, f.url("/data/x"), bytes.NewReader(make([]byte, 64<<20)))
	if a := do(t, client(t), req); a.status != http.StatusGatewayTimeout {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if n := f.failures(); n != 1 {
		t.Errorf("%v failures of the server, want 1", n)
	}
}
