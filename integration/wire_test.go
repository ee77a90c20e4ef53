package integration

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// direction is one half of a connection through a wire.
type direction int

const (
	toServer direction = 1 << iota
	toClient
	both = toServer | toClient
)

// wire is a TCP connection's way to one address, which the test can slow down or break.
type wire struct {
	target   string
	addr     string // in front of the target
	listener net.Listener

	mu      sync.Mutex
	delay   time.Duration
	ends    map[*ends]struct{}
	running sync.WaitGroup
}

// ends are the two connections of a wire that belong together.
type ends struct {
	client, server net.Conn
	muted          direction     // under wire.mu
	cut            chan struct{} // closed when both are
	once           sync.Once
}

func newWire(tb testing.TB, target string) *wire {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	w := &wire{target: target, addr: l.Addr().String(), listener: l, ends: make(map[*ends]struct{})}
	w.running.Go(w.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		w.cutAll()
		w.running.Wait()
	})
	return w
}

// mute has the open connections stay open and nothing come through them any more, as where a firewall has forgotten
// them. New ones are as ever.
func (w *wire) mute(d direction) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for e := range w.ends {
		e.muted |= d
	}
	return len(w.ends)
}

// slow delays what comes through from now on, in both directions.
func (w *wire) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// cutAll closes the open connections.
func (w *wire) cutAll() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.ends)
	for e := range w.ends {
		e.close()
	}
	return n
}

// refuse closes the open connections and takes no more, until accepting is called.
func (w *wire) refuse() {
	_ = w.listener.Close()
	w.cutAll()
}

// allow takes connections again, at the same address.
func (w *wire) allow(tb testing.TB) {
	tb.Helper()
	l, err := net.Listen("tcp", w.addr)
	must(tb, err)
	tb.Cleanup(func() { _ = l.Close() })
	w.listener = l
	w.running.Go(w.accept)
}

func (w *wire) accept() {
	l := w.listener
	for {
		client, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		server, err := net.DialTimeout("tcp", w.target, time.Second)
		if err != nil {
			_ = client.Close()
			continue
		}
		e := &ends{client: client, server: server, cut: make(chan struct{})}
		w.mu.Lock()
		w.ends[e] = struct{}{}
		w.mu.Unlock()
		w.running.Go(func() { w.carry(e, client, server, toServer) })
		w.running.Go(func() { w.carry(e, server, client, toClient) })
	}
}

// carry brings what comes from one end to the other until either is closed.
func (w *wire) carry(e *ends, from io.Reader, to io.Writer, d direction) {
	defer func() {
		e.close()
		w.mu.Lock()
		delete(w.ends, e)
		w.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		muted, delay := e.muted&d != 0, w.delay
		w.mu.Unlock()
		if muted { // the end does not come through either
			<-e.cut
			return
		}
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-e.cut:
			}
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (e *ends) close() {
	e.once.Do(func() {
		_ = e.client.Close()
		_ = e.server.Close()
		close(e.cut)
	})
}
