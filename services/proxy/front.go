package proxy

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// front is the listener of clients. Before it closes it takes what has come: the kernel would reset those connections, on which
// clients may have sent a request.
type front struct {
	net.Listener
	shutting atomic.Bool
	drained  bool // of the goroutine that accepts, like
	rest     []net.Conn

	open  atomic.Int64 // connections, the idle ones too
	fresh sync.Map     // those on which nothing has come yet
}

// shut has Accept return what is left, and then net.ErrClosed.
func (f *front) shut() {
	f.shutting.Store(true)
	if l, ok := f.Listener.(interface{ SetDeadline(time.Time) error }); ok && l.SetDeadline(time.Unix(1, 0)) == nil {
		return
	}
	_ = f.Close()
}

func (f *front) Accept() (net.Conn, error) {
	if !f.drained {
		c, err := f.Listener.Accept()
		if err == nil {
			boundUnsent(c)
		}
		if err == nil || !f.shutting.Load() {
			return c, err
		}
		f.rest, f.drained = drain(f.Listener), true
	}
	if len(f.rest) == 0 {
		return nil, net.ErrClosed
	}
	c := f.rest[0]
	f.rest = f.rest[1:]
	return c, nil
}

// state is http.Server.ConnState.
func (f *front) state(c net.Conn, to http.ConnState) {
	switch to {
	case http.StateNew:
		f.open.Add(1)
		f.fresh.Store(c, true)
		return
	case http.StateIdle:
		if w, ok := c.(watcher); ok {
			w.idle()
		}
	case http.StateClosed, http.StateHijacked: // that of a websocket is a request in flight
		f.open.Add(-1)
	}
	f.fresh.Delete(c)
}

// settle returns when something has come on every connection, or after limit: net/http closes a connection on which a request
// comes while it shuts down.
func (f *front) settle(limit time.Duration) {
	late := time.After(limit)
	for {
		waiting := false
		f.fresh.Range(func(any, any) bool {
			waiting = true
			return false
		})
		if !waiting {
			return
		}
		select {
		case <-late:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}
