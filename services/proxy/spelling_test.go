package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSpellingOfFields expects that the proxy spells field names in requests and responses as they are registered.
func TestSpellingOfFields(t *testing.T) {
	t.Parallel()
	names := []string{
		"ETag", "WWW-Authenticate", "Content-MD5", "DNT", "SOAPAction", "X-XSS-Protection", "X-UA-Compatible", "DAV", "MIME-Version", "Last-Event-ID",
		"X-CSRF-Token", "Sec-CH-UA", "Accept-Encoding", "Content-Type", "X-My-Own",
	}
	var lines strings.Builder
	for _, name := range names {
		lines.WriteString(strings.ToLower(name) + ": v\r\n")
	}
	w := newStrictServer(t, func(seen) string { return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + lines.String() + "\r\n" })
	f := start(t, nil, server("a", w.addr))
	answer := f.raw("GET /data/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + lines.String() + "\r\n")
	request := w.last(t).head
	for _, name := range names {
		if field := "\r\n" + name + ": v\r\n"; !strings.Contains(request, field) || !strings.Contains(answer, field) {
			t.Errorf("%s has another spelling in the request\n%s\nor in the response\n%s", name, request, answer)
		}
	}
}

func TestSpellingOfWebsocketFields(t *testing.T) {
	t.Parallel()
	of := map[string]string{
		"request": "Sec-WebSocket-Key: k\r\n|Sec-WebSocket-Version: 13\r\n|Sec-WebSocket-Protocol: chat\r\n|Sec-WebSocket-Extensions: permessage-deflate\r\n",
		"answer":  "Sec-WebSocket-Accept: a\r\n|Sec-WebSocket-Protocol: chat\r\n|Sec-WebSocket-Extensions: permessage-deflate\r\n",
	}
	w := newStrictServer(t, func(seen) string {
		return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + strings.ReplaceAll(of["answer"], "|", "") + "\r\n"
	})
	f := start(t, nil, server("a", w.addr))
	c := f.dial()
	_, _ = io.WriteString(c, "GET /data/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+strings.ReplaceAll(of["request"], "|", "")+"\r\n")
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	var answer []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(answer), "\r\n\r\n"); {
		if _, err := c.Read(b); err != nil {
			t.Fatalf("got %q, %v", answer, err)
		}
		answer = append(answer, b...)
	}
	request := w.last(t).head
	for what, got := range map[string]string{"request": request, "answer": string(answer)} {
		for field := range strings.SplitSeq(of[what], "|") {
			if !strings.Contains(got, "\r\n"+field) {
				t.Errorf("the %s lacks %q:\n%s", what, field, got)
			}
		}
	}
}

// A server ignores TE unless Connection lists it, so the proxy sends TE: trailers only together with Connection: TE.
func TestConnectionListsTE(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f := start(t, nil, server("a", w.addr))
	for lines, welcome := range map[string]bool{
		"TE: trailers\r\nConnection: TE\r\n":                            true,
		"te: deflate;q=0.5, Trailers\r\nConnection: close, te\r\n":      true,
		"TE: gzip\r\nTE: trailers\r\nConnection: TE\r\n":                true,
		"TE: gzip\r\nConnection: TE\r\n":                                false,
		"TE: trailers\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n": false,
	} {
		f.ask("GET /data/x HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n")
		got := w.last(t).head
		if has := strings.Contains(got, "\r\nTE: trailers\r\n") && strings.Contains(got, "\r\nConnection: TE\r\n"); has != welcome {
			t.Errorf("%q: the server got\n%s", lines, got)
		}
		if strings.Contains(got, "Te:") {
			t.Errorf("%q: the server got\n%s", lines, got)
		}
	}
}

// HTTP/1.1 requires a Host, and servers reject an empty Host. For a request without a Host, the proxy sends the address of the server.
func TestRequestWithoutHost(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f := start(t, nil, server("a", w.addr))
	for name, request := range map[string]string{
		"HTTP/1.0 without a host":            "GET /data/x HTTP/1.0\r\n\r\n",
		"HTTP/1.0 with keep-alive":           "GET /data/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"HTTP/1.0 with a body":               "POST /data/x HTTP/1.0\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 with an empty host":        "GET /data/x HTTP/1.0\r\nHost:\r\n\r\n",
		"HTTP/1.1 with an empty host":        "GET /data/x HTTP/1.1\r\nHost: \r\n\r\n",
		"an empty host in the absolute form": "GET http:///data/x HTTP/1.1\r\nHost: \r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if a := f.of(t).ask(request); a.status != http.StatusOK {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			s := w.last(t)
			if host, forwarded := s.fields("Host"), s.fields("X-Forwarded-Host"); len(host) != 1 || host[0] != w.addr || len(forwarded) != 0 {
				t.Errorf("Host: %q, X-Forwarded-Host: %q, want the server's address and no X-Forwarded-Host", host, forwarded)
			}
		})
	}
}
