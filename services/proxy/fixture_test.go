package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/services/proxy"
	"rollcall/services/registry"
)

// fakeRegistry tells the membership that the test sets, and keeps the evidence.
type fakeRegistry struct {
	mu       sync.Mutex
	servers  []*events.Server
	mode     registry.Mode
	watchers map[chan *registry.Membership]bool
	evidence []registry.Evidence
}

func newFakeRegistry() *fakeRegistry {
	return &fakeRegistry{mode: registry.ModeNormal, watchers: make(map[chan *registry.Membership]bool)}
}

func (f *fakeRegistry) Watch(ctx context.Context) <-chan *registry.Membership {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := make(chan *registry.Membership, 1)
	f.watchers[w] = true
	w <- f.membership()
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, w)
		close(w)
	})
	return w
}

func (f *fakeRegistry) membership() *registry.Membership {
	return &registry.Membership{Complete: true, Mode: f.mode, Servers: slices.Clone(f.servers)}
}

func (f *fakeRegistry) List(context.Context, registry.Query, time.Time) (*registry.Membership, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.membership(), nil
}

func (f *fakeRegistry) Report(_ context.Context, e registry.Evidence) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.evidence = append(f.evidence, e)
	return nil
}

func (f *fakeRegistry) reported() []registry.Evidence {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.evidence)
}

// set makes these the whole membership.
func (f *fakeRegistry) set(servers ...*events.Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers = slices.SortedFunc(slices.Values(servers), func(a, b *events.Server) int { return strings.Compare(a.Key(), b.Key()) })
	f.tell()
}

// blind keeps the membership, and says that nothing is heard any more.
func (f *fakeRegistry) blind() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = registry.ModeBlind
	f.tell()
}

// tell wants f.mu held.
func (f *fakeRegistry) tell() {
	for w := range f.watchers {
		select {
		case <-w:
		default:
		}
		w <- f.membership()
	}
}

// server is a live one of the service data.
func server(id, addr string) *events.Server {
	return &events.Server{
		Service: "data", ID: id, Addr: addr, State: events.StateAlive, Weight: 100, Incarnation: 1, IntervalMS: 5000, TTLMS: 10000,
	}
}

func in(state events.State, s *events.Server) *events.Server {
	other := *s
	other.State = state
	return &other
}

// fixture is a running proxy.
type fixture struct {
	t        testing.TB
	registry *fakeRegistry
	metrics  *prometheus.Registry
	proxy    *proxy.Proxy
	addr     string
	stop     func() // ends Serve, then Run, and waits for them
}

// start runs a proxy of these servers; change may be nil.
func start(t testing.TB, change func(*proxy.Config), servers ...*events.Server) *fixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, l, change, servers...)
}

func startOn(t testing.TB, l net.Listener, change func(*proxy.Config), servers ...*events.Server) *fixture {
	t.Helper()
	f := &fixture{t: t, registry: newFakeRegistry(), metrics: prometheus.NewRegistry()}
	f.registry.set(servers...)
	cfg := proxy.Config{Registry: f.registry, Metrics: f.metrics, Tick: 10 * time.Millisecond, Linger: 20 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	var err error
	if f.proxy, err = proxy.New(cfg); err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	run, endRun := context.WithCancel(context.Background())
	serve, endServe := context.WithCancel(context.Background())
	ran, served := make(chan error, 1), make(chan error, 1)
	go func() { ran <- f.proxy.Run(run) }()
	go func() { served <- f.proxy.Serve(serve, l) }()
	f.stop = sync.OnceFunc(func() {
		endServe()
		if err := <-served; err != nil {
			t.Error(err)
		}
		endRun()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(f.stop)
	for _, s := range servers {
		f.awaitMember(s.Service)
	}
	return f
}

// awaitMember returns when the proxy knows a server of the service.
func (f *fixture) awaitMember(service string) {
	f.t.Helper()
	eventually(f.t, "the proxy knows the service "+service, func() bool {
		_, err := f.proxy.Pick(f.t.Context(), service, "", "")
		return err == nil
	})
}

// backend is a server that runs handler until the test ends; addr is its address.
func backend(t testing.TB, handler http.HandlerFunc) (addr string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// answering is a backend that tells its name.
func answering(t testing.TB, name string) (addr string) {
	t.Helper()
	return backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
}

// rawBackend hands each connection to handle, and closes it then.
func rawBackend(t testing.TB, handle func(net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			running.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return l.Addr().String()
}

// asked is a raw backend that hands each request of a connection to answer, until the connection ends.
func asked(t testing.TB, answer func(c net.Conn, req *http.Request)) (addr string) {
	t.Helper()
	return rawBackend(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			answer(c, req)
		}
	})
}

// reset closes c so that its peer sees a reset.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// refusing is an address where nobody listens.
func refusing(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// client ends its connections with the test.
func client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// answer is a whole one.
type answer struct {
	status  int
	header  http.Header
	body    string
	trailer http.Header
}

func do(t testing.TB, c *http.Client, req *http.Request) answer {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body), resp.Trailer}
}

func (f *fixture) url(path string) string { return "http://" + f.addr + path }

func (f *fixture) get(path string) answer {
	f.t.Helper()
	return f.send(http.MethodGet, path, "")
}

func (f *fixture) send(method, path, body string) answer {
	f.t.Helper()
	req, err := http.NewRequest(method, f.url(path), strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	return do(f.t, client(f.t), req)
}

// raw sends bytes on a connection of its own and returns what comes back until the proxy closes it, or nothing has come for
// a second.
func (f *fixture) raw(request string) string {
	f.t.Helper()
	c := f.dial()
	if _, err := io.WriteString(c, request); err != nil {
		f.t.Fatal(err)
	}
	var all strings.Builder
	for {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		var b [4096]byte
		n, err := c.Read(b[:])
		all.Write(b[:n])
		if err != nil {
			return all.String()
		}
	}
}

func (f *fixture) dial() net.Conn {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	return c
}

// metric is the sum of a metric over the series whose labels include these, given as name=value.
func (f *fixture) metric(name string, labels ...string) float64 {
	f.t.Helper()
	families, err := f.metrics.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			has := make(map[string]bool)
			for _, l := range m.GetLabel() {
				has[l.GetName()+"="+l.GetValue()] = true
			}
			if !slices.ContainsFunc(labels, func(l string) bool { return !has[l] }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// failures counts the attempts that are a server's fault.
func (f *fixture) failures() float64 {
	f.t.Helper()
	sum := 0.0
	for _, result := range []string{"status", "connect", "late", "dead", "broken", "other"} {
		sum += f.metric("rollcall_proxy_attempts_total", "result="+result)
	}
	return sum
}

// eventually asks until the condition holds, for 5 s.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within 5 s: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// pass waits.
func pass(d time.Duration) { <-time.After(d) }

// readHead reads a request up to the end of its header.
func readHead(c net.Conn) (*bufio.Reader, *http.Request, error) {
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	return r, req, err
}

func ids(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("s%02d", i)
	}
	return all
}
