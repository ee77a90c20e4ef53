package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// script is the response of a server. If closes is true, the server closes the connection after the response.
type script struct {
	bytes  string
	closes bool
}

// evil starts a server. For /evil, the server sends the given bytes, and then closes the connection if closes is true. For any other path,
// it responds with the path as the body.
func evil(t testing.TB, bytes string, closes bool) (addr string) {
	t.Helper()
	return scripted(t, func(path string) (script, bool) { return script{bytes, closes}, path == "/evil" })
}

// scripted starts a server that calls of(path) for each request. If there is a script for the path, the server sends it. Otherwise, the
// server responds with the path as the body.
func scripted(t testing.TB, of func(path string) (script, bool)) (addr string) {
	t.Helper()
	return fixture.Serve(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			s, err := readStrictly(r)
			if err != nil {
				return
			}
			path := strings.Fields(s.line)[1]
			given, ok := of(path)
			if !ok {
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
				continue
			}
			_, _ = io.WriteString(c, given.bytes)
			if given.closes {
				return
			}
		}
	})
}

// checkResponses sends five requests, and fails the test unless each gets its own response. The server must be one that evil or scripted
// has started.
func (f *testProxy) checkResponses() {
	f.t.Helper()
	for i := range 5 {
		path := fmt.Sprintf("/good-%d", i)
		if a := f.ask("GET /data" + path + " HTTP/1.1\r\nHost: h\r\n\r\n"); a.status != 200 || a.body != path {
			f.t.Errorf("the request for %s got %d %.200q", path, a.status, a.body)
		}
	}
}

// getEvil requests /evil. It returns the response, or an error if the response is not complete.
func (f *testProxy) getEvil(method string) (response, error) {
	f.t.Helper()
	c := f.dial()
	defer c.Close()
	_, _ = io.WriteString(c, method+" /data/evil HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return response{}, err
		}
		if resp.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err == nil && r.Buffered() > 0 {
			rest, _ := io.ReadAll(r)
			f.t.Errorf("bytes after the response: %.200q", rest)
		}
		return response{resp.StatusCode, resp.Header, string(body), resp.Trailer}, err
	}
}

func TestHostileServers(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	var given atomic.Pointer[script]
	f := start(t, func(c *proxy.Config) { c.Balancer.Eject.After = -1 }, server("a", scripted(t, func(path string) (script, bool) {
		return *given.Load(), path == "/evil"
	})))
	given.Store(&script{})
	for _, row := range []struct {
		name   string
		method string // "" means GET
		bytes  string
		closes bool
		status int // 0 means that the client must not get a complete response
		body   string
	}{
		{"nothing", "", "", true, 502, ""},
		{"garbage", "", "\x00\x01\x02\r\n\r\n", true, 502, ""},
		{"another protocol", "", "SSH-2.0-OpenSSH\r\n\r\n", false, 502, ""},
		{"a status of two digits", "", "HTTP/1.1 20 OK\r\n\r\n", false, 502, ""},
		{"a status of four digits", "", "HTTP/1.1 2000 OK\r\n\r\n", false, 502, ""},
		{"a status that is no number", "", "HTTP/1.1 abc OK\r\n\r\n", false, 502, ""},
		{"a status with a sign", "", "HTTP/1.1 -20 OK\r\n\r\n", false, 502, ""},
		{"no status", "", "HTTP/1.1\r\n\r\n", false, 502, ""},
		{"a status of zero", "", "HTTP/1.1 000 OK\r\n\r\n", true, 502, ""},
		{"an empty line first", "", "\r\n" + ok + "Content-Length: 2\r\n\r\nok", false, 502, ""},
		{"half a header", "", ok + "Content-Length: 2\r\n", true, 502, ""},
		{"a header of 300 KiB", "", ok + "X-A: " + strings.Repeat("a", 300<<10) + "\r\nContent-Length: 2\r\n\r\nok", false, 502, ""},
		{"a header of 300 KiB in many lines", "", ok + strings.Repeat("X-A: aaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 300<<10/32) + "Content-Length: 2\r\n\r\nok", false, 502, ""},
		{"a header of 100 KiB", "", ok + "X-A: " + strings.Repeat("a", 100<<10) + "\r\nContent-Length: 2\r\n\r\nok", false, 200, "ok"},
		{"a line without a colon", "", ok + "X-A\r\nContent-Length: 2\r\n\r\nok", false, 502, ""},
		{"NUL in a value", "", ok + "X-A: a\x00b\r\nContent-Length: 2\r\n\r\nok", false, 502, ""},
		{"CR in a value", "", ok + "X-A: a\rX-B: b\r\nContent-Length: 2\r\n\r\nok", false, 502, ""},
		{"a continuation line first", "", ok + " X-A: a\r\nContent-Length: 2\r\n\r\nok", false, 502, ""},
		{"fifteen interim responses", "", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 15) + ok + "Content-Length: 2\r\n\r\nok", false, 200, "ok"},
		{"sixteen interim responses", "", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 16) + ok + "Content-Length: 2\r\n\r\nok", false, 502, ""},
		{"large interim responses", "", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("a", 30<<10)+"\r\n\r\n", 10) + ok + "Content-Length: 2\r\n\r\nok", false, 502, ""},
		{"an interim response and no final one", "", "HTTP/1.1 103 Early Hints\r\n\r\n", true, 502, ""},
		{"an interim response with a length", "", "HTTP/1.1 103 Early Hints\r\nContent-Length: 10\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", false, 200, "ok"},
		{"101 without a request for it", "", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false, 502, ""},
		{"101 to another protocol", "", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", false, 502, ""},
		{"a negative length", "", ok + "Content-Length: -1\r\n\r\nok", false, 502, ""},
		{"a length with a sign", "", ok + "Content-Length: +2\r\n\r\nok", false, 502, ""},
		{"two lengths", "", ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", false, 502, ""},
		{"a list of lengths", "", ok + "Content-Length: 2, 2\r\n\r\nok", false, 502, ""},
		{"the same length twice", "", ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", false, 200, "ok"},
		{"a length and chunks", "", ok + "Content-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, 200, "ok"},
		{"a short length and chunks", "", ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, 200, "ok"},
		{"another coding", "", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, 502, ""},
		{"chunked twice", "", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, 502, ""},
		{"another response after it", "", ok + "Content-Length: 2\r\n\r\nok" + ok + "Content-Length: 4\r\n\r\nevil", false, 200, "ok"},
		{"another response after chunks", "", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + ok + "Content-Length: 4\r\n\r\nevil", false, 200, "ok"},
		{"an empty line after it", "", ok + "Content-Length: 2\r\n\r\nok\r\n", false, 200, "ok"},
		{"a body of 204", "", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", false, 204, ""},
		{"chunks of 204", "", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", false, 204, ""},
		{"a body of 304", "", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", false, 304, ""},
		{"a body of HEAD", "HEAD", ok + "Content-Length: 4\r\n\r\nevil", false, 200, ""},
		{"chunks of HEAD", "HEAD", ok + "Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", false, 200, ""},
		{"a body until the connection closes", "", ok + "\r\nok", true, 200, "ok"},
		{"a body until the connection closes, with keep-alive", "", ok + "Connection: keep-alive\r\n\r\nok", true, 200, "ok"},
		{"HTTP/1.0", "", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false, 200, "ok"},
		{"chunks in HTTP/1.0 are not decoded", "", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", true, 200, "2\r\nok\r\n"},
		{"Connection: close without a close", "", ok + "Content-Length: 2\r\nConnection: close\r\n\r\nok", false, 200, "ok"},
		{"less than its length", "", ok + "Content-Length: 10\r\n\r\nok", true, 0, ""},
		{"less than a long length", "", ok + "Content-Length: 100000\r\n\r\n" + strings.Repeat("a", 50_000), true, 0, ""},
		{"no last chunk", "", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", true, 0, ""},
		{"no end of the last chunk", "", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", true, 0, ""},
		{"less than a chunk", "", ok + "Transfer-Encoding: chunked\r\n\r\n20\r\nok", true, 0, ""},
		{"a chunk that is too long", "", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nokok\r\n0\r\n\r\n", false, 0, ""},
		{"a size that is no number", "", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n", false, 0, ""},
		{"a size that ends with LF", "", ok + "Transfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", false, 0, ""},
		{"a trailer that does not end", "", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-A: " + strings.Repeat("a", 64<<10), false, 0, ""},
		{"a status beyond 599", "", "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok", false, 999, "ok"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := f.of(t)
			given.Store(&script{row.bytes, row.closes})
			f.checkResponses()
			method := "GET"
			if row.method != "" {
				method = row.method
			}
			a, err := f.getEvil(method)
			switch {
			case row.status == 0:
				if err == nil {
					t.Errorf("the client got a complete response: %d %.200q", a.status, a.body)
				}
			case err != nil:
				t.Errorf("got no complete response: %v", err)
			case a.status != row.status || row.status != 502 && a.body != row.body:
				t.Errorf("got %d %.200q, want %d %q", a.status, a.body, row.status, row.body)
			case len(a.header["Content-Length"])+len(a.header["Transfer-Encoding"]) > 1:
				t.Errorf("got %v", a.header)
			}
			f.checkResponses()
		})
	}
}

// A server sends a response without a request on an idle connection. The proxy does not use this response for the next
// request.
func TestUnsolicitedResponse(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	sent := make(chan struct{}, 1)
	addr := fixture.Serve(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			s, err := readStrictly(r)
			if err != nil {
				return
			}
			path := strings.Fields(s.line)[1]
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
			if path == "/evil" {
				select {
				case <-more:
				case <-t.Context().Done():
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
				sent <- struct{}{}
			}
		}
	})
	f := start(t, nil, server("a", addr))
	for range 20 {
		if a, err := f.getEvil("GET"); err != nil || a.body != "/evil" {
			t.Fatalf("got %q, %v", a.body, err)
		}
		more <- struct{}{}
		<-sent
		f.checkResponses()
	}
}

func TestConnectionsThatAreNotReused(t *testing.T) {
	t.Parallel()
	for name, bytes := range map[string]string{
		"Connection: close":    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0":             "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"bytes after the body": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokk",
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil, server("a", evil(t, bytes, false)))
			for range 3 {
				if a, err := f.getEvil("GET"); err != nil || a.body != "ok" {
					t.Fatalf("got %q, %v", a.body, err)
				}
				fixture.Eventually(t, 5*time.Second, "the connection is closed", func() bool { return f.metric("rollcall_proxy_connections") == 0 })
			}
		})
	}
}

func TestResponseHeader(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("long-", 25) // 125 bytes; an id has at most 128
	type want map[string][]string     // values of each field; nil means that the field must be absent
	for _, row := range []struct {
		name  string
		lines string
		want  want
	}{
		{"no fields are added but X-Served-By", "", want{"Content-Type": nil, "Server": nil, "Connection": nil, "X-Served-By": {id}}},
		{"hop-by-hop fields are removed", "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTE: trailers\r\nTrailer: X-A\r\n",
			want{"Keep-Alive": nil, "Proxy-Connection": nil, "Proxy-Authenticate": nil, "Upgrade": nil, "Te": nil, "Trailer": nil}},
		{"fields named by Connection are removed", "Connection: x-foo,\tX-BAR\r\nConnection: X-Baz\r\nX-Foo: 1\r\nX-Bar: 1\r\nX-Baz: 1\r\nX-Stays: 1\r\n",
			want{"X-Foo": nil, "X-Bar": nil, "X-Baz": nil, "X-Stays": {"1"}, "Connection": nil}},
		{"Connection names the type", "Connection: Content-Type\r\nContent-Type: text/css\r\n", want{"Content-Type": nil}},
		{"X-Served-By of the server is replaced", "X-Served-By: forged\r\nx-served-by: forged\r\n", want{"X-Served-By": {id}}},
		{"X-Served-By named by Connection is replaced", "Connection: X-Served-By\r\nX-Served-By: forged\r\n", want{"X-Served-By": {id}}},
		{"two cookies", "Set-Cookie: a=1\r\nSet-Cookie: b=2, c\r\n", want{"Set-Cookie": {"a=1", "b=2, c"}}},
		{"a name with an underscore", "X_A: 1\r\n", want{"X_a": {"1"}}},
		{"a header over two lines", "X-A: b\r\n  c\r\n", want{"X-A": {"b c"}}},
		{"a space before the colon", "X-A : b\r\n", want{"X-A": nil, "X-A ": nil}},
		{"Content-Type, Date and Server of the server", "Content-Type: text/x\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: s\r\n",
			want{"Content-Type": {"text/x"}, "Date": {"Thu, 01 Jan 1970 00:00:00 GMT"}, "Server": {"s"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil, server(id, evil(t, "HTTP/1.1 200 OK\r\n"+row.lines+"Content-Length: 15\r\n\r\n<html>not typed", false)))
			a, err := f.getEvil("GET")
			if err != nil || a.status != 200 || a.body != "<html>not typed" {
				t.Fatalf("got %d %q, %v", a.status, a.body, err)
			}
			for name, values := range row.want {
				if !slices.Equal(a.header[name], values) {
					t.Errorf("%s: got %q, want %q", name, a.header[name], values)
				}
			}
		})
	}
}

func TestInterimResponses(t *testing.T) {
	t.Parallel()
	f := start(t, nil, server("a", evil(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Served-By: forged\r\n\r\n"+
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false)))
	got := f.raw("GET /data/evil HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	interim, last, ok := strings.Cut(got, "\r\n\r\n")
	if !ok || !strings.HasPrefix(interim, "HTTP/1.1 103 ") || !strings.Contains(interim, "Link: </a.css>") || strings.Contains(interim, "Hop") || strings.Contains(interim, "forged") {
		t.Errorf("got first %q", interim)
	}
	if !strings.HasPrefix(last, "HTTP/1.1 200 OK\r\n") || strings.Contains(last, "Link") || strings.Contains(last, "Hop") {
		t.Errorf("got last %q", last)
	}
	if got := f.raw("GET /data/evil HTTP/1.0\r\nHost: h\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 200 OK\r\n") {
		t.Errorf("a client of HTTP/1.0 must get no interim response, got %q", got)
	}
	// The end of this request is ambiguous, so its final response must have Connection: close, even after interim responses.
	if got := f.raw("POST /data/evil HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"); strings.Count(got, "Connection: close") != 1 {
		t.Errorf("got %q", got)
	}
}

// The proxy passes on a 103 response of the server while net/http sends 100 Continue. The two writes must not damage each other.
func TestInterimResponsesWithContinue(t *testing.T) {
	t.Parallel()
	f := start(t, nil, server("a", fixture.Serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
		if s, err := readStrictly(bufio.NewReader(c)); err == nil {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(s.body), s.body)
		}
	})))
	for range 300 {
		c := f.dial()
		_, _ = io.WriteString(c, "POST /data/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
		r := bufio.NewReader(c)
		a := f.receive(r, c, "POST")
		for a.status < 200 {
			a = f.receive(r, c, "POST")
		}
		if a.status != 200 || a.body != "body" {
			t.Fatalf("got %d %q", a.status, a.body)
		}
		_ = c.Close()
	}
}

func TestResponseTrailers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		announced string
	}{
		{"announced", "Trailer: X-Sum, X-Served-By, Connection, X-Request-Id\r\n"},
		{"not announced", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil, server("a", evil(t, "HTTP/1.1 200 OK\r\n"+row.announced+"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"+
				"X-Sum: 1\r\nX-Served-By: forged\r\nX-Request-Id: forged\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\nKeep-Alive: 1\r\n\r\n", false)))
			a, err := f.getEvil("GET")
			if err != nil || a.body != "ok" {
				t.Fatalf("got %q, %v", a.body, err)
			}
			if len(a.trailer) != 1 || a.trailer.Get("X-Sum") != "1" {
				t.Errorf("got %v", a.trailer)
			}
			f.checkResponses()
		})
	}
}

func TestResponsesWithoutBody(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		method string
		bytes  string
		status int
		length string
	}{
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: text/x\r\n\r\n", 200, "1000"},
		{"HEAD without a length", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200, ""},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n", 304, ""},
		{"a length of 0", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil, server("a", evil(t, row.bytes, false)))
			a, err := f.getEvil(row.method)
			if err != nil || a.status != row.status || a.body != "" || a.header.Get("Content-Length") != row.length {
				t.Errorf("got %d %v, %v", a.status, a.header, err)
			}
			if row.status == 304 && a.header.Get("Etag") != `"e"` {
				t.Errorf("got %v", a.header)
			}
			if n := f.metric("rollcall_proxy_connections"); n != 1 {
				t.Errorf("%v connections, want 1", n)
			}
			f.checkResponses()
		})
	}
}
