// Package connlimit bounds what the clients of an HTTP server can occupy: the connections of a listener, and the header of a request.
// While a listener is full, that is, at its limit of connections, it accepts no new connections. New clients wait in the kernel's queue, as
// with HAProxy's maxconn. The server closes idle connections to make room, as nginx does.
package connlimit

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Listener is a listener with a limit of open connections. Several goroutines may use it at once, but only one goroutine may call Accept.
type Listener struct {
	net.Listener
	slots  chan struct{} // holds one element for each open connection, and one more while Accept waits for a client
	onFull func(full bool)
	report func()
	open   atomic.Int64 // number of open connections
	waits  atomic.Uint64
	ending chan struct{} // closed when Accept must not wait for a slot any more
	end    func()

	// Only Accept uses the fields full and reportedAt.
	full       bool // argument of the last call of onFull
	reportedAt time.Time
}

// reportEvery is the shortest time between two calls of the function report.
const reportEvery = time.Minute

// New returns a Listener that accepts connections from l and has at most limit open connections. A limit below 1 counts as 1. When Accept
// has to wait for a connection to end, it calls report, at most once per minute.
func New(l net.Listener, limit int, report func()) *Listener {
	b := &Listener{
		Listener: l, slots: make(chan struct{}, max(1, limit)), onFull: func(bool) {}, report: report, ending: make(chan struct{}),
	}
	b.end = sync.OnceFunc(func() { close(b.ending) })
	return b
}

// Open returns the number of open connections.
func (l *Listener) Open() int { return int(l.open.Load()) }

// Limit returns the maximum number of open connections.
func (l *Listener) Limit() int { return cap(l.slots) }

// Waits returns how many times Accept has waited for a connection to end.
func (l *Listener) Waits() uint64 { return l.waits.Load() }

// Accept returns the next connection. While the listener is full, it waits for a connection to end.
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

// take waits for a free slot of the listener and occupies it. It returns false if Close or SetDeadline ends the wait before a slot is free.
func (l *Listener) take() bool {
	select {
	case l.slots <- struct{}{}:
		l.setFull(false)
		return true
	default:
	}
	l.waits.Add(1)
	if now := time.Now(); now.Sub(l.reportedAt) >= reportEvery {
		l.reportedAt = now
		l.report()
	}
	l.setFull(true)
	select {
	case l.slots <- struct{}{}:
		return true
	case <-l.ending:
		return false
	}
}

func (l *Listener) setFull(full bool) {
	if l.full != full {
		l.full = full
		l.onFull(full)
	}
}

// Close closes the listener. An Accept that waits for a connection to end returns.
func (l *Listener) Close() error {
	l.end()
	return l.Listener.Close()
}

// SetDeadline sets the deadline of Accept. If the deadline is in the past, the limit of connections no longer applies, and an Accept that
// waits because the listener is full returns.
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

// SyscallConn returns the raw connection of the underlying listener.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	if below, ok := l.Listener.(syscall.Conn); ok {
		return below.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// tcpConn keeps the methods of a TCP connection: copying in the kernel, and closing one side.
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
