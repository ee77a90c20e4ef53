package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"rollcall/services/balancer"
)

// closeTimeout is how long one side of a tunnel may go on after the other has closed.
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

	done := make(chan struct{}, 2)
	pass := func(to, from net.Conn, first io.Reader) {
		if _, err := io.Copy(to, first); err == nil {
			_, _ = io.Copy(to, from) // between sockets, in the kernel where it can
		}
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		late := time.Now().Add(closeTimeout)
		if c.aborted() != nil {
			late = time.Unix(1, 0)
		}
		_ = to.SetDeadline(late)
		_ = from.SetDeadline(late)
		done <- struct{}{}
	}
	go pass(c.Conn, client, io.LimitReader(buffered, int64(buffered.Reader.Buffered())))
	pass(client, c.Conn, io.LimitReader(c.r, int64(c.r.Buffered())))
	<-done
	<-done
	c.release(x)
	return nil, balancer.Answered
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
