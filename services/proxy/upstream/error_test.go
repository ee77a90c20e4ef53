package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"
	"weak"

	"go.uber.org/goleak"

	"rollcall/services/dial"
	"rollcall/services/proxy/upstream"
	"rollcall/services/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errTest = errors.New("the error of the test")

// header is the request line and the fields of a request. If it is empty, WriteHeader fails.
type header string

func (h header) WriteHeader(w *bufio.Writer) error {
	if h == "" {
		return errTest
	}
	_, err := w.WriteString(string(h))
	return err
}

const get header = "GET / HTTP/1.1\r\nHost: h\r\n"

// brokenStream is a request body whose Read fails.
type brokenStream struct{}

func (brokenStream) Start()                   {}
func (brokenStream) Stop(bool)                {}
func (brokenStream) Trailer() http.Header     { return nil }
func (brokenStream) Read([]byte) (int, error) { return 0, errTest }

// served returns the address of a server that runs handle for each request. The server closes the connection if handle returns false.
// ordinal counts the requests on the connection from 1.
func served(t *testing.T, handle func(c net.Conn, ordinal int) bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r, n := bufio.NewReader(c), 1; ; n++ {
					if _, err := http.ReadRequest(r); err != nil || !handle(c, n) {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func writes(text string) func(net.Conn, int) bool {
	return func(c net.Conn, _ int) bool {
		_, err := io.WriteString(c, text)
		return err == nil && text != ""
	}
}

// waits handles a request: it sends no response and keeps the connection open.
func waits(net.Conn, int) bool { return true }

func TestErrors(t *testing.T) {
	type want struct {
		err     error
		fault   upstream.Fault
		sent    bool
		part    bool // wanted value of Error.Received
		stale   bool
		finding registry.Finding
	}
	const empty, part = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"
	for _, row := range []struct {
		name   string
		handle func(net.Conn, int) bool // nil: no server listens at the address
		dial   error
		before func(p *upstream.Pool) // runs before the request
		req    upstream.Request
		during func(tr *upstream.Transport, p *upstream.Pool, cancel func()) // runs while the server has the request
		close  error
		want   want
	}{
		{name: "nobody listens on the port", want: want{err: upstream.ErrConnect, fault: upstream.FaultServer, finding: registry.FindingRefused}},
		{name: "this process cannot connect", dial: errTest, want: want{err: upstream.ErrConnect}},
		{
			name: "the server has left", handle: waits, before: func(p *upstream.Pool) { p.Retire(time.Now(), false) },
			want: want{err: upstream.ErrRetired},
		},
		{name: "the server closes without a response", handle: writes(""), want: want{err: upstream.ErrBroken, fault: upstream.FaultServer, sent: true}},
		{
			name: "the server closes in the middle of a header", handle: func(c net.Conn, n int) bool { writes("HTTP/1.1 2")(c, n); return false },
			want: want{err: upstream.ErrBroken, fault: upstream.FaultServer, sent: true, part: true},
		},
		{
			name: "the server closes in the middle of a body", handle: func(c net.Conn, n int) bool { writes(part)(c, n); return false },
			want: want{err: upstream.ErrBroken, fault: upstream.FaultServer, sent: true, part: true},
		},
		{
			name: "the server closes an idle connection", handle: func(c net.Conn, n int) bool { return n == 1 && writes(empty)(c, n) },
			before: func(p *upstream.Pool) { mustDo(t, p) },
			want:   want{err: upstream.ErrBroken, sent: true, stale: true},
		},
		{
			name: "the server switches protocols unasked", handle: writes("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
			want: want{err: upstream.ErrBroken, fault: upstream.FaultServer, sent: true, part: true},
		},
		{
			name: "the response timeout", handle: waits,
			during: func(tr *upstream.Transport, p *upstream.Pool, _ func()) {
				for now := range 3 {
					tr.Advance(time.Now().Add(time.Duration(now) * tr.Tick))
				}
				p.Sweep(time.Now())
			},
			want: want{err: upstream.ErrLate, fault: upstream.FaultServer, sent: true},
		},
		{
			name: "the server is found dead", handle: waits, req: upstream.Request{Repeatable: true},
			during: func(_ *upstream.Transport, p *upstream.Pool, _ func()) { p.Retire(time.Now(), true) },
			want:   want{err: upstream.ErrDead, sent: true},
		},
		{
			name: "the server left and the request takes longer than the drain", handle: waits,
			during: func(_ *upstream.Transport, p *upstream.Pool, _ func()) {
				p.Retire(time.Now(), false)
				p.Sweep(time.Now().Add(2 * time.Minute))
			},
			want: want{err: upstream.ErrDrained, sent: true},
		},
		{
			name: "requests are cut off", handle: waits, during: func(_ *upstream.Transport, p *upstream.Pool, _ func()) { p.Cut() },
			want: want{err: upstream.ErrDrained, sent: true},
		},
		{
			name: "the client is gone", handle: waits,
			during: func(_ *upstream.Transport, p *upstream.Pool, cancel func()) { cancel(); p.Sweep(time.Now()) },
			want:   want{err: upstream.ErrClientGone, fault: upstream.FaultClient, sent: true},
		},
		{
			name: "the client is gone, and the context does not end", handle: waits, req: upstream.Request{Client: goneClient{}},
			during: func(_ *upstream.Transport, p *upstream.Pool, _ func()) { p.Sweep(time.Now()) },
			want:   want{err: upstream.ErrClientGone, fault: upstream.FaultClient, sent: true},
		},
		{name: "the header of the request is malformed", handle: waits, req: upstream.Request{Header: header("")}, want: want{err: errTest, fault: upstream.FaultClient, sent: true}},
		{
			name: "the body of the request breaks off", handle: waits, req: upstream.Request{Header: header("POST / HTTP/1.1\r\nHost: h\r\n"), Stream: brokenStream{}, Length: 1 << 20},
			want: want{err: errTest, fault: upstream.FaultClient, sent: true},
		},
		{name: "the client does not take the response", handle: writes(part), close: errTest, want: want{err: errTest, fault: upstream.FaultClient, sent: true, part: true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			tr := &upstream.Transport{
				Dial: dial.New(nil, 0), ConnectTimeout: 5 * time.Second, ResponseTimeout: time.Minute, StallTimeout: time.Minute,
				IdleTimeout: time.Minute, Drain: time.Minute, Tick: 3 * time.Minute,
			}
			if row.dial != nil {
				tr.Dial = func(context.Context, string) (net.Conn, error) { return nil, row.dial }
			}
			addr, asked := "", make(chan struct{}, 8)
			if row.handle != nil {
				addr = served(t, func(c net.Conn, n int) bool {
					asked <- struct{}{}
					return row.handle(c, n)
				})
			} else {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				addr = l.Addr().String()
				_ = l.Close()
			}
			p := tr.Pool(addr)
			if row.before != nil {
				row.before(p)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if row.during != nil {
				go func() {
					<-asked
					row.during(tr, p, cancel)
				}()
			}
			req := row.req
			req.Method, req.Since = http.MethodGet, tr.Now()
			if req.Client == nil {
				req.Client = noClient{}
			}
			if req.Header == nil {
				req.Header = get
			}
			resp, err := p.Do(ctx, &req)
			if err == nil {
				var rest error
				if row.close == nil {
					_, rest = io.Copy(io.Discard, resp)
				} else {
					rest = row.close
				}
				err = resp.Close(rest)
			}
			got, ok := errors.AsType[*upstream.Error](err)
			if !ok {
				t.Fatalf("got %v, want an Error", err)
			}
			w := row.want
			if !errors.Is(got, w.err) || got.Fault != w.fault || got.Sent != w.sent || got.Received != w.part || got.Stale != w.stale || got.Finding != w.finding {
				t.Errorf("got %+v, want %+v", got, w)
			}
			if n := p.Connections(); n != 0 {
				t.Errorf("%d connections are open", n)
			}
		})
	}
}

// noClient is a client that accepts every response.
type noClient struct{}

func (noClient) Interim(int, http.Header) {}
func (noClient) Flush() error             { return nil }
func (noClient) Gone() bool               { return false }

// goneClient is a client that has closed its connection.
type goneClient struct{ noClient }

func (goneClient) Gone() bool { return true }

// mustDo sends a request and reads the whole response.
func mustDo(t *testing.T, p *upstream.Pool) {
	t.Helper()
	resp, err := p.Do(t.Context(), &upstream.Request{Method: http.MethodGet, Header: get, Client: noClient{}})
	if err == nil {
		_, err = io.Copy(io.Discard, resp)
		err = resp.Close(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	for name, body := range map[string]string{
		"no body":               "Content-Length: 0\r\n\r\n",
		"a body with a length":  "Content-Length: 4\r\n\r\nbody",
		"a body in chunks":      "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
		"chunks with a trailer": "Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			dialed, connect := 0, dial.New(nil, 0)
			tr := &upstream.Transport{ConnectTimeout: 5 * time.Second, Dial: func(ctx context.Context, addr string) (net.Conn, error) {
				dialed++
				return connect(ctx, addr)
			}}
			p := tr.Pool(served(t, writes("HTTP/1.1 200 OK\r\n"+body)))
			for range 3 {
				mustDo(t, p)
			}
			if dialed != 1 || p.Connections() != 1 {
				t.Errorf("%d connections were made and %d are open, want 1", dialed, p.Connections())
			}
			if p.CloseIdle(); p.Connections() != 0 {
				t.Error("the idle connection is open after CloseIdle")
			}
		})
	}
}

func TestIdleConnectionKeepsNoRequest(t *testing.T) {
	tr := &upstream.Transport{ConnectTimeout: 5 * time.Second, IdleTimeout: time.Minute, Dial: dial.New(nil, 0)}
	p := tr.Pool(served(t, writes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
	sent := func() weak.Pointer[upstream.Request] {
		req := &upstream.Request{Method: http.MethodGet, Header: get, Client: noClient{}, Body: make([]byte, 1<<10)}
		resp, err := p.Do(t.Context(), req)
		if err == nil {
			err = resp.Close(nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return weak.Make(req)
	}()
	runtime.GC()
	if sent.Value() != nil || p.Connections() != 1 {
		t.Errorf("the request is still in memory: %v; %d connections, want 1", sent.Value() != nil, p.Connections())
	}
	p.CloseIdle()
}
