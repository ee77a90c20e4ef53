package connlimit_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"rollcall/services/connlimit"
)

func listen(t *testing.T, limit int) *connlimit.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := connlimit.New(l, limit, func() {})
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAcceptWaitsAtLimit(t *testing.T) {
	t.Parallel()
	l := listen(t, 2)
	var full []bool
	connlimit.OnFull(l, func(is bool) { full = append(full, is) })
	accepted := make(chan net.Conn)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	})
	for range 4 {
		dial(t, l)
	}
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Fatal("a third connection was accepted")
	case <-time.After(50 * time.Millisecond):
	}
	if l.Open() != 2 || l.Limit() != 2 || l.Waits() != 1 {
		t.Errorf("%d of %d connections after %d waits, want 2 of 2 after 1", l.Open(), l.Limit(), l.Waits())
	}
	_ = first.Close()
	_ = first.Close() // a second Close frees no slot
	third := <-accepted
	select {
	case <-accepted:
		t.Fatal("a fourth connection was accepted")
	case <-time.After(50 * time.Millisecond):
	}
	_ = second.Close()
	_ = third.Close()
	_ = (<-accepted).Close()
	_ = l.Close()
	accepting.Wait()
	if len(full) == 0 || !full[0] || l.Open() != 0 {
		t.Errorf("full: %v; %d connections are open", full, l.Open())
	}
}

func TestFullListenerEnds(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		end  func(*connlimit.Listener) error
		want error
	}{
		"Close":                {(*connlimit.Listener).Close, net.ErrClosed},
		"deadline in the past": {func(l *connlimit.Listener) error { return l.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t, 1)
			dial(t, l)
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ended := make(chan error)
			go func() {
				_, err := l.Accept()
				ended <- err
			}()
			if err := row.end(l); err != nil {
				t.Error(err)
			}
			if err := <-ended; !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if l.Open() != 1 {
				t.Errorf("%d are open, want 1", l.Open())
			}
		})
	}
}

func TestOpenDoesNotCountWaitingAccept(t *testing.T) {
	t.Parallel()
	l := listen(t, 2)
	dial(t, l)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = l.Accept()
	}()
	<-time.After(50 * time.Millisecond) // gives Accept the time to begin to wait
	if l.Open() != 1 {
		t.Errorf("%d are open, want 1", l.Open())
	}
	_ = c.Close()
	if l.Open() != 0 {
		t.Errorf("%d are open, want 0", l.Open())
	}
	_ = l.Close()
	<-ended
}

func TestConnectionKeepsMethodsOfSocket(t *testing.T) {
	t.Parallel()
	l := listen(t, 1)
	dial(t, l)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, ok := c.(interface {
		io.ReaderFrom
		io.WriterTo
		CloseWrite() error
	}); !ok {
		t.Errorf("%T cannot copy in the kernel or close one side", c)
	}
}

func TestIdleConnectionsAreClosedWhenFull(t *testing.T) {
	t.Parallel()
	l := listen(t, 2)
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	connlimit.Configure(s, l, 16<<10)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	for range 10 {
		c := dial(t, l)
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Close()
	<-served
}
