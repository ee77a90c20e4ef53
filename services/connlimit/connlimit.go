// Package connlimit bounds how many connections a listener has at once. Beyond the bound it accepts none: clients wait in the queue of
// the kernel, as with HAProxy's maxconn, and the server is told, so that connections without a request can give way, as nginx has it.
package connlimit

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Listener is a listener with a bound. It is safe for concurrent use, but one goroutine calls Accept.
type Listener struct {
	net.Listener
	slots  chan struct{} // one for each connection
	full   func()
	toldAt time.Time
	open   atomic.Int64 // Accept has a slot while it waits for a connection, which is none yet
	waits  atomic.Uint64
	ending chan struct{} // closed when no slot is to be waited for
	end    func()

	crowded bool // of the goroutine that accepts, like toldAt
	onCrowd atomic.Pointer[func(bool)]
}

// tellEvery is how often the owner is told at most that Accept waits.
const tellEvery = time.Minute

// New bounds l to most connections, at least one. full is called by Accept when it waits, at most once a minute.
func New(l net.Listener, most int, full func()) *Listener {
	b := &Listener{Listener: l, slots: make(chan struct{}, max(1, most)), full: full, ending: make(chan struct{})}
	b.end = sync.OnceFunc(func() { close(b.ending) })
	return b
}

// Open is how many connections there are.
func (l *Listener) Open() int { return int(l.open.Load()) }

// Most is the bound.
func (l *Listener) Most() int { return cap(l.slots) }

// Waits is how often Accept waited for a connection to end.
func (l *Listener) Waits() uint64 { return l.waits.Load() }

// OnCrowd has f called, by the goroutine that accepts, with true when Accept has to wait for a connection to end, and with false when it
// did not have to any more. It is called before the first Accept.
func (l *Listener) OnCrowd(f func(crowded bool)) { l.onCrowd.Store(&f) }

// Accept waits while there are as many connections as may be.
func (l *Listener) Accept() (net.Conn, error) {
	slot := l.take()
	c, err := l.Listener.Accept()
	if err != nil {
		if slot {
			<-l.slots
		}
		return nil, err
	}
	if !slot {
		return c, nil
	}
	l.open.Add(1)
	free := sync.OnceFunc(func() {
		l.open.Add(-1)
		<-l.slots
	})
	if tcp, ok := c.(*net.TCPConn); ok {
		return &tcpConn{TCPConn: tcp, free: free}, nil
	}
	return &conn{Conn: c, free: free}, nil
}

// take reports whether it has got a slot; not if the listener ends.
func (l *Listener) take() bool {
	select {
	case l.slots <- struct{}{}:
		l.tell(false)
		return true
	default:
	}
	l.waits.Add(1)
	if now := time.Now(); now.Sub(l.toldAt) >= tellEvery {
		l.toldAt = now
		l.full()
	}
	l.tell(true)
	select {
	case l.slots <- struct{}{}:
		return true
	case <-l.ending:
		return false
	}
}

func (l *Listener) tell(crowded bool) {
	if l.crowded == crowded {
		return
	}
	l.crowded = crowded
	if f := l.onCrowd.Load(); f != nil {
		(*f)(crowded)
	}
}

// Close ends Accept too where that waits for a connection to end.
func (l *Listener) Close() error {
	l.end()
	return l.Listener.Close()
}

// SetDeadline is that of the listener below. One that is over ends the bound as well: the server takes what is left.
func (l *Listener) SetDeadline(t time.Time) error {
	below, ok := l.Listener.(interface{ SetDeadline(time.Time) error })
	if !ok {
		return errors.ErrUnsupported
	}
	if !t.IsZero() && !t.After(time.Now()) {
		l.end()
	}
	return below.SetDeadline(t)
}

// SyscallConn is that of the listener below.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	if below, ok := l.Listener.(syscall.Conn); ok {
		return below.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// tcpConn has what a socket can do: to copy in the kernel, to close one side.
type tcpConn struct {
	*net.TCPConn
	free func()
}

func (c *tcpConn) Close() error {
	defer c.free()
	return c.TCPConn.Close()
}

type conn struct {
	net.Conn
	free func()
}

func (c *conn) Close() error {
	defer c.free()
	return c.Conn.Close()
}
