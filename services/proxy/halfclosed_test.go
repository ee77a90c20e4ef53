package proxy_test

import (
	"io"
	"net"
	"testing"
	"time"

	"rollcall/integration/fixture"
)

// After one side of a websocket has closed, the other side may send until it pauses for 5 s.
func TestHalfClosedWebsocket(t *testing.T) {
	t.Parallel()
	const pieces = 8 // one piece per second, so that all pieces take longer than 5 s
	feed := func(c net.Conn) {
		for range pieces {
			fixture.Sleep(time.Second)
			if _, err := io.WriteString(c, "x"); err != nil {
				return
			}
		}
		_ = c.(*net.TCPConn).CloseWrite()
	}
	const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello "
	t.Run("client has closed", func(t *testing.T) {
		t.Parallel()
		f := start(t, nil, server("ws", fixture.Serve(t, func(c net.Conn) {
			r, _, _ := readHead(c)
			_, _ = io.WriteString(c, head+"first ")
			_, _ = io.ReadAll(r)
			feed(c)
		})))
		c, r := mustUpgrade(t, f)
		_ = c.(*net.TCPConn).CloseWrite()
		if all, err := io.ReadAll(r); err != nil || len(all) != pieces {
			t.Errorf("got %q, %v", all, err)
		}
	})
	t.Run("server has closed", func(t *testing.T) {
		t.Parallel()
		got := make(chan int, 1)
		f := start(t, nil, server("ws", fixture.Serve(t, func(c net.Conn) {
			r, _, _ := readHead(c)
			_, _ = io.WriteString(c, head+"first ")
			_ = c.(*net.TCPConn).CloseWrite()
			all, _ := io.ReadAll(r)
			got <- len(all) - len("first ")
		})))
		c, _ := mustUpgrade(t, f)
		feed(c)
		if n := <-got; n != pieces {
			t.Errorf("the server got %d bytes, want %d", n, pieces)
		}
	})
	t.Run("client has closed and server is silent", func(t *testing.T) {
		t.Parallel()
		f := start(t, nil, server("ws", fixture.Serve(t, func(c net.Conn) {
			r, _, _ := readHead(c)
			_, _ = io.WriteString(c, head+"first ")
			_, _ = io.ReadAll(r)
			<-t.Context().Done()
		})))
		c, r := mustUpgrade(t, f)
		_ = c.(*net.TCPConn).CloseWrite()
		begun := time.Now()
		_, _ = io.ReadAll(r)
		if took := time.Since(begun); took < 4*time.Second || took > 9*time.Second {
			t.Errorf("took %v, want 5s", took)
		}
	})
}
