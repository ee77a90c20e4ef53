package clientconn_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"rollcall/integration/fixture"
	"rollcall/services/proxy/clientconn"
)

// countingListener counts the calls of Read of all its connections.
type countingListener struct {
	net.Listener
	reads atomic.Int64
}

type countingConn struct {
	*net.TCPConn
	reads *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countingConn{c.(*net.TCPConn), &l.reads}, nil
}

func (c *countingConn) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.TCPConn.Read(p)
}

// While a request without a body is handled, nothing is read from its client.
func TestOneReadForEachRequest(t *testing.T) {
	below, err := net.Listen("tcp", "127.0.0.1:0")
	fixture.Must(t, err)
	l := &countingListener{Listener: below}
	handled, respond := make(chan *http.Request, 1), make(chan bool, 1)
	s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		handled <- r
		<-respond
	})}
	served := make(chan error, 1)
	go func() { served <- clientconn.New(l, clientconn.Config{Log: zap.NewNop()}).Serve(s) }()
	defer func() {
		close(respond)
		fixture.Must(t, s.Close())
		<-served
	}()
	c, err := net.Dial("tcp", below.Addr().String())
	fixture.Must(t, err)
	defer c.Close()
	for i := range 3 {
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		fixture.Must(t, err)
		r := <-handled
		fixture.Eventually(t, 5*time.Second, "net/http has begun to watch the connection", func() bool { return clientconn.Watched(r) })
		if n := l.reads.Load(); n != int64(i+1) {
			t.Errorf("%d reads after %d requests", n, i+1)
		}
		respond <- true
		buf := make([]byte, 4<<10)
		n, err := c.Read(buf)
		fixture.Must(t, err)
		if !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 200 ") {
			t.Errorf("got %q", buf[:n])
		}
	}
}
