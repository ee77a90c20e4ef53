package upstream

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// closeTimeout is how long one side of a tunnel may send nothing after the other side has closed.
const closeTimeout = 5 * time.Second

// Tunnel copies bytes between the client and the server after a response of 101. It blocks until both sides have closed, or until the
// request is aborted, for example by Pool.Cut. The parameter first has the bytes that the caller has already read from the client. The
// caller must close the client's connection.
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
	closed atomic.Int64 // write deadline that was set when one side closed, in Unix nanoseconds; 0: both sides are open
}

// pass copies one direction of the tunnel: the bytes that were already read (the parameter first), and then everything that arrives on the
// other connection (the parameter from). When this direction ends, pass limits the time of the other direction.
func (t *tunnel) pass(to, from net.Conn, first io.Reader) {
	_, err := io.Copy(to, first)
	if err == nil {
		_, err = io.Copy(to, from) // the kernel can copy between sockets
	}
	if end := t.closed.Load(); errors.Is(err, os.ErrDeadlineExceeded) && end != 0 && time.Now().UnixNano() < end { // a read deadline ended the copy, so no bytes are lost
		t.passRest(to, from)
	}
	end := time.Now().Add(t.stall) // deadline for a write of the other direction that is in progress
	if t.c.use.reason() != nil {
		end = time.Unix(1, 0)
	}
	t.closed.Store(end.UnixNano())
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = from.SetWriteDeadline(end)
	_ = to.SetReadDeadline(time.Unix(1, 0)) // ends the read of the other direction, which then continues with passRest
}

// passRest copies one direction after the other direction has ended, until nothing is received for closeTimeout.
func (t *tunnel) passRest(to, from net.Conn) {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	for {
		_ = from.SetReadDeadline(time.Now().Add(closeTimeout))
		_ = to.SetWriteDeadline(time.Now().Add(t.stall))
		if t.c.use.reason() != nil { // abort may have set deadlines that the two lines above replaced
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
