package apiserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

func TestDrainOverSockets(t *testing.T) {
	watched := &watches{entered: make(chan struct{}, 8)}
	r := mustHarness(t, func(cfg *apiserver.Config) { watched.Registry, cfg.Registry = cfg.Registry, watched })
	r.populate()
	base, stop := r.mustRun()
	c := mustClient(t, base)
	result := make(chan error, 1)
	index := r.index("")
	go func() {
		list, err := c.Servers(context.Background(), apiserver.Query{Index: index, Wait: time.Minute})
		if err == nil && len(list.Servers) != 3 {
			err = fmt.Errorf("got %d servers, want 3", len(list.Servers))
		}
		result <- err
	}()
	<-watched.entered
	begun := time.Now()
	stop()
	if err := <-result; err != nil {
		t.Errorf("long poll: %v", err)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("drained in %v", took)
	}
	if _, err := c.Status(t.Context()); err == nil {
		t.Error("still served after Run returned")
	}
}

func TestLongPollsEndWithRegistry(t *testing.T) {
	watched := &watches{entered: make(chan struct{}, 8)}
	r := mustHarness(t, func(cfg *apiserver.Config) { watched.Registry, cfg.Registry = cfg.Registry, watched })
	r.populate()
	base, _ := r.mustRun()
	var wg sync.WaitGroup
	index := r.index("")
	for range 2 {
		c := mustClient(t, base)
		wg.Go(func() {
			_, err := c.Servers(context.Background(), apiserver.Query{Index: index, Wait: time.Minute})
			var p *apiserver.Problem
			if !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable || p.Detail != registry.ErrStopped.Error() {
				t.Errorf("got %v, want a 503 with the detail of ErrStopped", err)
			}
		})
	}
	<-watched.entered
	<-watched.entered
	r.stop()
	wg.Wait()
}

// watches is a registry that sends a value to the channel watches.entered in each call of Watch.
type watches struct {
	apiserver.Registry
	entered chan struct{}
}

func (w *watches) Watch(ctx context.Context) <-chan *registry.Membership {
	ch := w.Registry.Watch(ctx)
	w.entered <- struct{}{}
	return ch
}

func TestRunReturnsListenerError(t *testing.T) {
	r := mustHarness(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.server.Run(t.Context(), l); err == nil || !strings.HasPrefix(err.Error(), "apiserver: serve: ") {
		t.Errorf("got %v", err)
	}
}

func TestHeaderLimit(t *testing.T) {
	r := mustHarness(t)
	base, _ := r.mustRun()
	for size, want := range map[int]int{15 << 10: http.StatusOK, 17 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		req, err := http.NewRequest("GET", base+"/livez", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Filler", strings.Repeat("x", size))
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != want {
			t.Errorf("%d bytes of headers: status %d, want %d", size, resp.StatusCode, want)
		}
	}
}

// pipes is a listener of net.Pipe connections, for tests in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPipes() *pipes {
	closed := make(chan struct{})
	return &pipes{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) mustDial(t *testing.T, sent string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	p.conns <- theirs
	if _, err := io.WriteString(ours, sent); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	return ours
}

func TestSlowClientsAreDisconnected(t *testing.T) {
	const get = "GET /v1/status HTTP/1.1\r\nHost: api\r\n"
	readResponse := func(t *testing.T, c net.Conn) *http.Response {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp
	}
	for _, tt := range []struct {
		name, sent string
		first      func(*testing.T, net.Conn)
		after      time.Duration
	}{
		{"half a header", get, nil, 5 * time.Second},
		{"idle after a response", get + "\r\n", func(t *testing.T, c net.Conn) { readResponse(t, c) }, 90 * time.Second},
		{"half a body is a 400", get + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", func(t *testing.T, c net.Conn) {
			if resp := readResponse(t, c); resp.StatusCode != http.StatusBadRequest {
				t.Errorf("status %d", resp.StatusCode)
			}
		}, 10 * time.Second},
		{"a large Content-Length is a 413 at once", get + "Content-Length: 100000\r\n\r\n", func(t *testing.T, c net.Conn) {
			begun := time.Now()
			if resp := readResponse(t, c); resp.StatusCode != http.StatusRequestEntityTooLarge || time.Since(begun) > 0 {
				t.Errorf("status %d after %v", resp.StatusCode, time.Since(begun))
			}
		}, 10 * time.Second},
		{"does not read the response", get + "\r\n", func(*testing.T, net.Conn) { time.Sleep(31 * time.Second) }, 31 * time.Second},
		{"does not read metrics", strings.Replace(get, "/v1/status", "/metrics", 1) + "\r\n",
			func(*testing.T, net.Conn) { time.Sleep(31 * time.Second) }, 31 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := mustHarness(t)
				r.populate()
				ctx, cancel := context.WithCancel(t.Context())
				l, ran := newPipes(), make(chan error, 1)
				go func() { ran <- r.server.Run(ctx, l) }()
				begun := time.Now()
				c := l.mustDial(t, tt.sent)
				if tt.first != nil {
					tt.first(t, c)
				}
				if n, err := io.Copy(io.Discard, c); n > 0 || err != nil {
					t.Errorf("read %d more bytes, %v", n, err)
				}
				if took := time.Since(begun).Truncate(time.Second); took != tt.after {
					t.Errorf("disconnected after %v, want %v", took, tt.after)
				}
				cancel()
				if err := <-ran; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestDrainHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.populate()
		ctx, cancel := context.WithCancel(t.Context())
		l, ran := newPipes(), make(chan error, 1)
		go func() { ran <- r.server.Run(ctx, l) }()
		c := l.mustDial(t, "GET /v1/servers HTTP/1.1\r\nHost: api\r\n\r\n") // the client never reads the response
		synctest.Wait()
		begun := time.Now()
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("a slow client made Run fail: %v", err)
		}
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("drained in %v", took)
		}
		if n, _ := io.Copy(io.Discard, c); n > 0 {
			t.Errorf("read %d bytes after Run returned", n)
		}
	})
}

// The read timeout does not end a long poll.
func TestLongPollLongerThanReadTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.populate()
		ctx, cancel := context.WithCancel(t.Context())
		l, ran := newPipes(), make(chan error, 1)
		go func() { ran <- r.server.Run(ctx, l) }()
		target := r.poll("service=web", "wait=20s")
		begun := time.Now()
		c := l.mustDial(t, "GET "+target+" HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\n\r\n{}")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); resp.StatusCode != http.StatusOK || took != 20*time.Second {
			t.Errorf("status %d after %v", resp.StatusCode, took)
		}
		cancel()
		_ = c.Close()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
