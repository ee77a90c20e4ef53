package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"rollcall/services/balancer"
)

// closeTimeout is how long one side of a tunnel may send nothing after the other has closed.
const closeTimeout = 5 * time.Second

// tunnel passes the bytes of a websocket both ways until one side closes, the server has left for Config.Drain, or the
// proxy stops.
func (x *exchange) tunnel(c *conn, resp *http.Response) (*failure, balancer.Outcome) {
	defer c.pool.close(c)
	client, buffered, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		c.release(x)
		return &failure{err: fmt.Errorf("hijack: %w", err), sent: true}, balancer.Abandoned
	}
	defer client.Close()
	x.status = resp.StatusCode
	_ = client.SetDeadline(time.Now().Add(x.p.cfg.StallTimeout))
	if err := x.switchProtocols(client, resp); err != nil {
		c.release(x)
		return &failure{err: errClientGone, sent: true}, balancer.Abandoned
	}
	_ = client.SetDeadline(time.Time{})

	var closed atomic.Int64 // when the write deadline is over that was set when one side closed, Unix nanoseconds; 0: none has
	done := make(chan struct{}, 2)
	pass := func(to, from net.Conn, first io.Reader) {
		_, err := io.Copy(to, first)
		if err == nil {
			_, err = io.Copy(to, from) // between sockets, in the kernel where it can
		}
		if end := closed.Load(); isTimeout(err) && end != 0 && time.Now().UnixNano() < end { // nothing was lost in a write
			x.passRest(c, to, from)
		}
		end := time.Now().Add(x.p.cfg.StallTimeout) // for what the other direction writes just now
		if c.aborted() != nil {
			end = time.Unix(1, 0)
		}
		closed.Store(end.UnixNano())
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		_ = from.SetWriteDeadline(end)
		_ = to.SetReadDeadline(time.Unix(1, 0)) // has it go on in passRest
		done <- struct{}{}
	}
	go pass(c.Conn, client, io.LimitReader(buffered, int64(buffered.Reader.Buffered())))
	pass(client, c.Conn, io.LimitReader(c.r, int64(c.r.Buffered())))
	<-done
	<-done
	c.release(x)
	return nil, balancer.Answered
}

// passRest passes what comes after the other direction has closed, until nothing has come for closeTimeout.
func (x *exchange) passRest(c *conn, to, from net.Conn) {
	buffer := buffers.Get().(*[wholeLimit]byte)
	defer buffers.Put(buffer)
	for {
		_ = from.SetReadDeadline(time.Now().Add(closeTimeout))
		_ = to.SetWriteDeadline(time.Now().Add(x.p.cfg.StallTimeout))
		if c.aborted() != nil { // its deadlines may just have been overwritten
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

func (x *exchange) switchProtocols(client net.Conn, resp *http.Response) error {
	x.copyHeader(resp.Header)
	h := x.w.Header()
	delete(h, "Content-Type")
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	var out bytes.Buffer
	out.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(&out) // a buffer takes all
	out.WriteString("\r\n")
	_, err := out.WriteTo(client)
	return err
}
