package clientconn_test

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"rollcall/integration/fixture"
	"rollcall/services/proxy/clientconn"
)

// A corked connection sends the writes of a response in their order. What is short waits until the next write or until Uncork.
func TestCorkedResponse(t *testing.T) {
	const first, rest = 3000, 60_000
	corked, written, proceed := make(chan bool, 1), make(chan bool, 1), make(chan bool)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Length"] = []string{strconv.Itoa(first + rest)}
		corked <- clientconn.Cork(r)
		_, _ = io.WriteString(w, strings.Repeat("a", first))
		_ = http.NewResponseController(w).Flush()
		written <- true
		<-proceed
		if r.URL.Path == "/uncork" {
			_ = clientconn.Uncork(r)
			<-proceed
		}
		_, _ = io.WriteString(w, strings.Repeat("b", rest))
		_ = clientconn.Uncork(r)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fixture.Must(t, err)
	served := make(chan error, 1)
	go func() { served <- clientconn.New(l, clientconn.Config{Log: zap.NewNop()}).Serve(s) }()
	c, err := net.Dial("tcp", l.Addr().String())
	fixture.Must(t, err)
	defer func() {
		close(proceed)
		_ = c.Close()
		fixture.Must(t, s.Close())
		<-served
	}()
	fixture.Must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	read := func(n int) string {
		t.Helper()
		buf := make([]byte, n)
		_, err := io.ReadFull(c, buf)
		fixture.Must(t, err)
		return string(buf)
	}
	for _, path := range []string{"/uncork", "/", "/uncork", "/"} {
		_, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
		fixture.Must(t, err)
		if !<-corked {
			t.Fatal("the connection is not corked")
		}
		<-written
		fixture.Must(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("%s: got %d bytes, %v from a corked connection", path, n, err)
		}
		fixture.Must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		proceed <- true
		var head strings.Builder
		for !strings.HasSuffix(head.String(), "\r\n\r\n") {
			head.WriteString(read(1))
		}
		if read(first) != strings.Repeat("a", first) {
			t.Errorf("%s: the first part differs", path)
		}
		if path == "/uncork" {
			proceed <- true
		}
		if read(rest) != strings.Repeat("b", rest) {
			t.Errorf("%s: the rest differs", path)
		}
	}
}
