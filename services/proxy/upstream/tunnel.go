package upstream

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// closeTimeout is how long one side of a tunnel may send nothing after the other has closed.
const closeTimeout = 5 * time.Second

// Tunnel passes bytes between the client and the server, after a response of 101, until one side closes or the request is ended, as by
// Pool.Cut. first is what the client has sent already. The owner of client closes it then.
func (r *Response) Tunnel(client net.Conn, first io.Reader) {
	c := r.c
	defer c.pool.close(c)
	t := &tunnel{c: c, stall: c.pool.t.StallTimeout}
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.pass(c.Conn, client, first)
	}()
	t.pass(client, c.Conn, io.LimitReader(c.r, int64(c.r.Buffered())))
	<-done
	c.use.release()
}

type tunnel struct {
	c      *conn
	stall  time.Duration
	closed atomic.Int64 // end of the write deadline that was set when one side closed, Unix nanoseconds; 0: none has
}

// pass passes first, and then what comes from one side to the other.
func (t *tunnel) pass(to, from net.Conn, first io.Reader) {
	_, err := io.Copy(to, first)
	if err == nil {
		_, err = io.Copy(to, from) // between sockets, in the kernel where it can
	}
	if end := t.closed.Load(); errors.Is(err, os.ErrDeadlineExceeded) && end != 0 && time.Now().UnixNano() < end { // nothing was lost in a write
		t.passRest(to, from)
	}
	end := time.Now().Add(t.stall) // for what the other direction writes just now
	if t.c.use.reason() != nil {
		end = time.Unix(1, 0)
	}
	t.closed.Store(end.UnixNano())
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = from.SetWriteDeadline(end)
	_ = to.SetReadDeadline(time.Unix(1, 0)) // the other direction continues with passRest
}

// passRest passes what comes after the other direction has closed, until nothing has come for closeTimeout.
func (t *tunnel) passRest(to, from net.Conn) {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	for {
		_ = from.SetReadDeadline(time.Now().Add(closeTimeout))
		_ = to.SetWriteDeadline(time.Now().Add(t.stall))
		if t.c.use.reason() != nil { // its deadlines may just have been overwritten
			return
		}
		n, err := from.Read(buffer[:])
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
