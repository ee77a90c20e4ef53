package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// TestRejectedRequests expects that no byte of these requests reaches a server.
func TestRejectedRequests(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f := start(t, nil, server("a", w.addr))
	const host = "Host: h\r\n"
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\n" + host + "\r\n" }
	field := func(line string) string { return "GET /data/x HTTP/1.1\r\n" + host + line + "\r\n\r\n" }
	post := func(lines, body string) string { return "POST /data/x HTTP/1.1\r\n" + host + lines + "\r\n\r\n" + body }
	for _, row := range []struct {
		name    string
		request string
		status  int
		parsed  bool // true if the proxy rejects the request, false if net/http rejects it before the proxy sees it
	}{
		{"the root path", get("/"), 404, true},
		{"an invalid service name", get("/DATA/x"), 404, true},
		{"the name of a service is escaped", get("/d%61ta/x"), 400, true},
		{"an empty segment before the service", get("//data/x"), 404, true},
		{"a star", get("*"), 404, true},
		{"absolute form without a path", get("http://data"), 404, true},
		{"an opaque URL", get("http:data/x"), 404, true},
		{"an unknown service", get("/nobody/x"), 503, true},
		{"an unknown service, with a body", "POST /nobody/x HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody", 503, true},
		{"CONNECT to a host", "CONNECT h:443 HTTP/1.1\r\n" + host + "\r\n", 405, true},
		{"CONNECT to a path", "CONNECT /data/x HTTP/1.1\r\n" + host + "\r\n", 405, true},
		{"TRACE", "TRACE /data/x HTTP/1.1\r\n" + host + "\r\n", 405, true},
		{"TRACE without a service", "TRACE / HTTP/1.1\r\n" + host + "\r\n", 405, true},
		{"two dots", get("/data/../x"), 400, true},
		{"two dots at the end", get("/data/a/.."), 400, true},
		{"two dots at the beginning", get("/../data/x"), 400, true},
		{"two dots, escaped", get("/data/%2e%2e/x"), 400, true},
		{"two dots, one escaped", get("/data/.%2e/x"), 400, true},
		{"two dots, the other escaped", get("/data/%2e./x"), 400, true},
		{"two dots, escaped in upper case", get("/data/%2E%2e/x"), 400, true},
		{"two dots in absolute form", get("http://h/data/%2e%2E/x"), 400, true},
		{"a fragment", get("/data/a#b"), 400, true},
		{"an escaped slash after the service", get("/data%2fx"), 400, true},
		{"two dots behind an escaped slash", get("/data/a%2f..%2fb"), 400, true},
		{"NUL", get("/data/a%00"), 400, true},
		{"NUL among others", get("/data/a%00b%20c"), 400, true},
		{"an incomplete escape", get("/data/a%2"), 400, false},
		{"an invalid escape", get("/data/a%zz"), 400, false},
		{"a target without a slash", get("data/x"), 400, false},
		{"a space in the target", get("/data/a b"), 400, false},
		{"a control character in the target", get("/data/a\x01b"), 400, false},
		{"DEL in the query", get("/data/a?\x7f"), 400, false},
		{"CR in the target", get("/data/a\rb"), 400, false},
		{"a method that is not a token", "G(T /data/x HTTP/1.1\r\n" + host + "\r\n", 400, false},
		{"no Host", "GET /data/x HTTP/1.1\r\n\r\n", 400, false},
		{"two Hosts", field("Host: other"), 400, false},
		{"two Hosts that agree", field("Host: h"), 400, false},
		{"a Host with a space", "GET /data/x HTTP/1.1\r\nHost: a b\r\n\r\n", 400, false},
		{"a Host with a slash and a quote", "GET /data/x HTTP/1.1\r\nHost: h/\"\r\n\r\n", 400, false},
		{"a host with a space in absolute form", get("http://[fe80::1%25%20x]/data/x"), 400, true},
		{"a host with raw bytes in absolute form", get("http://%ff/data/x"), 400, true},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, true},
		{"version HTTP/2.0 in HTTP/1 syntax", "GET /data/x HTTP/2.0\r\n" + host + "\r\n", 505, false},
		{"HTTP/0.9", "GET /data/x HTTP/0.9\r\n" + host + "\r\n", 505, false},
		{"an invalid version", "GET /data/x HTTP/1.1.1\r\n" + host + "\r\n", 400, false},
		{"a space before the colon", field("X-A : b"), 400, false},
		{"a space before the colon of the length", post("Content-Length : 4", "body"), 400, false},
		{"a tab before the colon of the coding", post("Transfer-Encoding\t: chunked", "0\r\n\r\n"), 400, false},
		{"a header without a colon", field("X-A"), 400, false},
		{"a header without a name", field(": b"), 400, false},
		{"a continuation line before the first field", "GET /data/x HTTP/1.1\r\n X-A: b\r\n" + host + "\r\n", 400, false},
		{"NUL in a header", field("X-A: b\x00c"), 400, false},
		{"CR in a header", field("X-A: b\rX-B: c"), 400, false},
		{"CR in the name of a header", field("X\r-A: b"), 400, false},
		{"a control character in a header", field("X-A: b\x0bc"), 400, false},
		{"17 KiB of headers", field("X-A: " + strings.Repeat("a", 17<<10)), 431, false},
		{"17 KiB of many headers", field(strings.Repeat("X-A: b\r\n", 17<<10/8) + "X-A: b"), 431, false},
		{"a negative length", post("Content-Length: -4", "body"), 400, false},
		{"a length with a sign", post("Content-Length: +4", "body"), 400, false},
		{"a length in hexadecimal", post("Content-Length: 0x4", "body"), 400, false},
		{"a length of two numbers", post("Content-Length: 4 4", "body"), 400, false},
		{"a list of lengths", post("Content-Length: 4, 5", "body"), 400, false},
		{"a list of lengths that agree", post("Content-Length: 4, 4", "body"), 400, false},
		{"an empty length", post("Content-Length:", "body"), 400, false},
		{"a length beyond 63 bits", post("Content-Length: 9223372036854775808", "body"), 400, false},
		{"two lengths", post("Content-Length: 4\r\nContent-Length: 5", "body"), 400, false},
		{"an unknown coding", post("Transfer-Encoding: xchunked", "0\r\n\r\n"), 501, false},
		{"chunked and another coding", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), 501, false},
		{"chunked, identity", post("Transfer-Encoding: chunked, identity", "0\r\n\r\n"), 501, false},
		{"chunked in quotes", post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"), 501, false},
		{"chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 501, false},
		{"chunked after another coding", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 501, false},
		{"chunked with a control character", post("Transfer-Encoding: \x0bchunked", "0\r\n\r\n"), 400, false},
		{"an unknown expectation", post("Content-Length: 4\r\nExpect: wonders", "body"), 417, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := f.of(t)
			a := g.ask(row.request)
			if a.status != row.status {
				t.Errorf("got %d %s, want %d", a.status, a.body, row.status)
			}
			if problem := a.header.Get("Content-Type") == "application/problem+json"; problem != row.parsed ||
				problem && !strings.Contains(a.body, fmt.Sprintf(`"status":%d,`, row.status)) {
				t.Errorf("got %v %s", a.header, a.body)
			}
			if allow := a.header.Get("Allow"); (row.status == 405) != (allow != "") || strings.Contains(allow, "TRACE") || strings.Contains(allow, "CONNECT") {
				t.Errorf("Allow: %q", allow)
			}
			if after := a.header.Get("Retry-After"); (row.status == 503) != (after == "1") {
				t.Errorf("Retry-After: %q", after)
			}
			if got := w.take(); len(got) != 0 || w.wasCut() != 0 {
				t.Errorf("the server got %.300q, want nothing", got)
			}
		})
	}
	f.checkNoFailures()
}

func TestNoLiveServer(t *testing.T) {
	t.Parallel()
	f := start(t, nil, server("a", newStrictServer(t, nil).addr))
	f.registry.set()
	fixture.Eventually(t, 5*time.Second, "the server is gone", func() bool {
		a := f.get("/data/x")
		return a.status == 503 && a.header.Get("Retry-After") == "1" && a.header.Get("Content-Type") == "application/problem+json" &&
			a.header.Get("X-Served-By") == ""
	})
}

// TestRequestAsServerReceivesIt checks what the proxy changes in a request.
func TestRequestAsServerReceivesIt(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f := start(t, func(c *proxy.Config) {
		c.Routes = []proxy.Route{{Host: "shop.test", Service: "data"}}
	}, server("a", w.addr))
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n" }
	with := func(lines ...string) string {
		return "GET /data/x HTTP/1.1\r\nHost: h\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	}
	post := func(lines, body string) string {
		return "POST /data/x HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n\r\n" + body
	}
	type fields map[string]string // value of each field by its name; "" means that the field must be absent
	for _, row := range []struct {
		name    string
		request string
		line    string // request line that the server must receive; "" means GET /x HTTP/1.1
		fields  fields
		body    string
	}{
		{"a path", get("/data/x"), "", fields{"Host": "h", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "h", "X-Forwarded-Proto": "http",
			"Content-Length": "", "Transfer-Encoding": "", "Connection": "", "User-Agent": ""}, ""},
		{"the service and a slash", get("/data/"), "GET / HTTP/1.1", nil, ""},
		{"segments with dots that are not two dots", get("/data/..x/a..b/x../.../."), "GET /..x/a..b/x../.../. HTTP/1.1", nil, ""},
		{"a space and other escapes", get("/data/a%20b%c3%A4%3f%25"), "GET /a%20b%c3%A4%3f%25 HTTP/1.1", nil, ""},
		{"an escape of an escape", get("/data/%252e%252e%252f"), "GET /%252e%252e%252f HTTP/1.1", nil, ""},
		{"parameters, an empty segment and signs", get("/data//a;v=1/b:c@d,e!$&'()*+=~"), "GET //a;v=1/b:c@d,e!$&'()*+=~ HTTP/1.1", nil, ""},
		{"an empty query", get("/data/x?"), "GET /x? HTTP/1.1", nil, ""},
		{"every byte of a query", get("/data/x?a=%zz&%00&;/../%2f?\"<>\\^`{|}\xe4#b"), "GET /x?a=%zz&%00&;/../%2f?\"<>\\^`{|}\xe4#b HTTP/1.1", nil, ""},
		{"absolute form", "GET http://shop.test/a?b HTTP/1.1\r\nHost: other\r\n\r\n", "GET /a?b HTTP/1.1",
			fields{"Host": "shop.test", "X-Forwarded-Host": "shop.test"}, ""},
		{"absolute form without a path", "GET http://shop.test?b HTTP/1.1\r\nHost: other\r\n\r\n", "GET /?b HTTP/1.1", fields{"Host": "shop.test"}, ""},
		{"HTTP/1.0", "GET /data/x HTTP/1.0\r\nHost: h\r\n\r\n", "", fields{"Connection": ""}, ""},
		{"HTTP/1.0 with keep-alive, without a host", "GET /data/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "", fields{"Connection": ""}, ""},
		{"lines that end with LF", "GET /data/x HTTP/1.1\nHost: h\nX-A: b\n\n", "", fields{"X-A": "b"}, ""},
		{"a header over two lines", with("X-A: b", "  c"), "", fields{"X-A": "b c"}, ""},
		{"forwarded fields of the client", with("X-Forwarded-For: 1.1.1.1", "x-forwarded-host: evil", "X-FORWARDED-PROTO: https", "X-Forwarded-Port: 1", "X-Forwarded-: 1",
			"X-Forwarded-For: 2.2.2.2", "Forwarded: for=1.1.1.1", "X-Real-IP: 1.1.1.1"),
			"", fields{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "h", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "", "X-Forwarded-": "", "Forwarded": "", "X-Real-Ip": ""}, ""},
		{"an underscore", with("X_Forwarded_For: 1.1.1.1", "X-Real_Ip: 1.1.1.1", "Content_Length: 5", "A_: b", "X-A: b_c"), "",
			fields{"X_Forwarded_For": "", "X-Real_Ip": "", "Content_Length": "", "A_": "", "X-A": "b_c"}, ""},
		{"hop-by-hop fields", with("Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: gzip", "Trailer: X-A",
			"Proxy-Authorization: Basic eDp5", "Proxy-Authenticate: Basic"), "",
			fields{"Connection": "", "Keep-Alive": "", "Proxy-Connection": "", "Te": "", "Trailer": "", "Proxy-Authorization": "", "Proxy-Authenticate": ""}, ""},
		{"fields that Connection lists", with("Connection: close, x-foo ,\tX-BAR", "Connection: X-Baz", "X-Foo: 1", "X-Bar: 1", "X-Baz: 1", "X-Stays: 1"), "",
			fields{"X-Foo": "", "X-Bar": "", "X-Baz": "", "X-Stays": "1", "Connection": ""}, ""},
		{"fields that Connection must not remove", with("Connection: X-Forwarded-For, X-Forwarded-Host, X-Request-Id, Host", "X-Request-Id: mine"), "",
			fields{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "h", "X-Request-Id": "mine", "Host": "h"}, ""},
		{"Connection lists Content-Length", post("Content-Length: 4\r\nConnection: Content-Length", "body"), "POST /x HTTP/1.1", fields{"Content-Length": "4"}, "body"},
		{"Connection lists Transfer-Encoding", post("Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding", "4\r\nbody\r\n0\r\n\r\n"), "POST /x HTTP/1.1",
			fields{"Transfer-Encoding": "chunked"}, "body"},
		{"TE: trailers", with("TE: trailers", "Connection: TE"), "", fields{"Te": "trailers", "Connection": "TE"}, ""},
		{"h2c", with("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), "",
			fields{"Connection": "", "Upgrade": "", "Http2-Settings": ""}, ""},
		{"h2c without HTTP2-Settings in Connection", with("Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), "", fields{"Connection": "", "Upgrade": "", "Http2-Settings": ""}, ""},
		{"websocket and h2c", with("Connection: Upgrade", "Upgrade: websocket, h2c"), "", fields{"Connection": "", "Upgrade": ""}, ""},
		{"websocket and h2c in two fields", with("Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"), "", fields{"Connection": "", "Upgrade": ""}, ""},
		{"websocket without Upgrade in Connection", with("Connection: keep-alive", "Upgrade: websocket"), "", fields{"Connection": "", "Upgrade": ""}, ""},
		{"websocket", with("Connection: keep-alive, upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Key: k"), "",
			fields{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Key": "k"}, ""},
		{"websocket with POST", post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4", "body"), "POST /x HTTP/1.1", fields{"Connection": "", "Upgrade": ""}, "body"},
		{"websocket with a body", with("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 4") + "body", "",
			fields{"Connection": "", "Upgrade": "", "Content-Length": "4"}, "body"},
		{"websocket with chunks", with("Connection: Upgrade", "Upgrade: websocket", "Transfer-Encoding: chunked") + "4\r\nbody\r\n0\r\n\r\n", "",
			fields{"Connection": "", "Upgrade": "", "Transfer-Encoding": "chunked"}, "body"},
		{"websocket in HTTP/1.0", "GET /data/x HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "", fields{"Connection": "", "Upgrade": ""}, ""},
		{"a body", post("Content-Length: 4", "body"), "POST /x HTTP/1.1", fields{"Content-Length": "4", "Transfer-Encoding": ""}, "body"},
		{"the same length twice", post("Content-Length: 4\r\nContent-Length: 4", "body"), "POST /x HTTP/1.1", fields{"Content-Length": "4"}, "body"},
		{"POST without a body", post("Content-Length: 0", ""), "POST /x HTTP/1.1", fields{"Content-Length": "0"}, ""},
		{"GET with a body", with("Content-Length: 4") + "body", "", fields{"Content-Length": "4"}, "body"},
		{"an unknown method", "FROB /data/x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", "FROB /x HTTP/1.1", fields{"Content-Length": "4"}, "body"},
		{"chunks", post("Transfer-Encoding: CHUNKED", "2;a=\"b\"\r\nbo\r\n002;x\r\ndy\r\n0;y\r\n\r\n"), "POST /x HTTP/1.1", fields{"Content-Length": "", "Transfer-Encoding": "chunked"}, "body"},
		{"a length and chunks", post("Content-Length: 4\r\nTransfer-Encoding: chunked", "4\r\nbody\r\n0\r\n\r\n"), "POST /x HTTP/1.1",
			fields{"Content-Length": "", "Transfer-Encoding": "chunked"}, "body"},
		{"a length and chunks in HTTP/1.0", "POST /data/x HTTP/1.0\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nbody", "POST /x HTTP/1.1",
			fields{"Content-Length": "4", "Transfer-Encoding": ""}, "body"},
		{"tracing", with("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate: a=1,b=2", "baggage: k=v"), "",
			fields{"Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Tracestate": "a=1,b=2", "Baggage": "k=v"}, ""},
		{"tracing that is malformed is not judged", with("traceparent: ?"), "", fields{"Traceparent": "?"}, ""},
		{"15 KiB of headers", with("X-A: " + strings.Repeat("a", 15<<10)), "", nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := f.of(t)
			a := g.ask(row.request)
			if a.status != 200 || a.body != "ok" {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			s := w.last(t)
			want := row.line
			if want == "" {
				want = "GET /x HTTP/1.1"
			}
			if s.line != want {
				t.Errorf("got %s\nwant %s", s.line, want)
			}
			if s.body != row.body {
				t.Errorf("got body %q, want %q", s.body, row.body)
			}
			for name, value := range row.fields {
				got := s.fields(name)
				if value == "" && len(got) != 0 || value != "" && (len(got) != 1 || got[0] != value) {
					t.Errorf("%s: got %q, want %q", name, got, value)
				}
			}
		})
	}
	f.checkNoFailures()
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, func(seen) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-Id: of-the-server\r\nConnection: X-Request-Id\r\n\r\n"
	})
	f := start(t, nil, server("a", w.addr))
	made := regexp.MustCompile(`^[0-9a-f]{16}$`)
	for _, row := range []struct {
		name  string
		lines string
		keeps string // id that the proxy must keep; "" means that the proxy must make a new id
	}{
		{"no id", "", ""},
		{"a valid id", "X-Request-Id: Ab-1_2.~\r\n", "Ab-1_2.~"},
		{"128 characters", "x-request-id: " + strings.Repeat("a", 128) + "\r\n", strings.Repeat("a", 128)},
		{"129 characters", "X-Request-Id: " + strings.Repeat("a", 129) + "\r\n", ""},
		{"an empty id", "X-Request-Id:\r\n", ""},
		{"two ids", "X-Request-Id: a\r\nX-Request-Id: b\r\n", ""},
		{"a space", "X-Request-Id: a b\r\n", ""},
		{"a continuation line", "X-Request-Id: a\r\n b\r\n", ""},
		{"a comma", "X-Request-Id: a,b\r\n", ""},
		{"angle brackets", "X-Request-Id: <script>\r\n", ""},
		{"not ASCII", "X-Request-Id: \xc3\xa4\r\n", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := f.of(t)
			a := g.ask("GET /data/x HTTP/1.1\r\nHost: h\r\n" + row.lines + "\r\n")
			s := w.last(t)
			got := s.fields("X-Request-Id")
			if len(got) != 1 || row.keeps != "" && got[0] != row.keeps || row.keeps == "" && !made.MatchString(got[0]) {
				t.Errorf("got %q, want %q", got, row.keeps)
			}
			if returned := a.header["X-Request-Id"]; len(returned) != 1 || returned[0] != got[0] {
				t.Errorf("the client got %q, the server %q", returned, got)
			}
		})
	}
	if a, b := f.get("/data/x").header.Get("X-Request-Id"), f.get("/data/x").header.Get("X-Request-Id"); a == b {
		t.Error("two requests have the same id", a)
	}
}

func TestOptionsAsterisk(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f := start(t, nil, server("a", w.addr))
	if a := f.ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"); a.status != 200 || a.body != "" {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if got := w.got(); len(got) != 0 {
		t.Errorf("the server got %q, want nothing", got)
	}
}

func TestPipelinedRequests(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, func(s seen) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(s.line+s.body), s.line+s.body)
	})
	f := start(t, nil, server("a", w.addr))
	c := f.dial()
	_, _ = io.WriteString(c, "GET /data/1 HTTP/1.1\r\nHost: h\r\n\r\n"+
		"POST /data/2 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"+
		"PUT /data/3 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"+
		"GET /data/4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"+
		"GET /data/5 HTTP/1.1\r\nHost: h\r\n\r\n")
	r := bufio.NewReader(c)
	for _, want := range []string{"GET /1 HTTP/1.1", "POST /2 HTTP/1.1body", "PUT /3 HTTP/1.1", "GET /4 HTTP/1.1"} {
		if a := f.receive(r, c, "GET"); a.body != want {
			t.Errorf("got %q, want %q", a.body, want)
		}
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection was not closed")
	}
	if got := w.got(); len(got) != 4 {
		t.Errorf("the server got %d requests, want 4", len(got))
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	for name, framing := range map[string][2]string{
		"a short body": {"Content-Length: 4", "body"},
		"chunks":       {"Transfer-Encoding: chunked", "4\r\nbody\r\n0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newStrictServer(t, nil)
			f := start(t, nil, server("a", w.addr))
			c := f.dial()
			_, _ = io.WriteString(c, "POST /data/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"+framing[0]+"\r\n\r\n")
			r := bufio.NewReader(c)
			if a := f.receive(r, c, "POST"); a.status != 100 {
				t.Fatalf("got %d", a.status)
			}
			_, _ = io.WriteString(c, framing[1])
			if a := f.receive(r, c, "POST"); a.status != 200 {
				t.Fatalf("got %d", a.status)
			}
			if s := w.last(t); s.body != "body" || len(s.fields("Expect")) != 0 {
				t.Errorf("got %q", s)
			}
		})
	}
}
