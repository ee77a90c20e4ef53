package proxy_test

import (
	"bufio"
	"cmp"
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
	"rollcall/integration/fixture"
	"rollcall/services/proxy"
	"rollcall/services/registry"
)

// fakeRegistry publishes the membership that the test sets, and records the evidence that the proxy reports.
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
	servers := slices.SortedFunc(slices.Values(f.servers), func(a, b *events.Server) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.ID, b.ID))
	})
	m := registry.NewMembership(servers)
	m.Complete, m.Mode = true, f.mode
	return m
}

func (f *fakeRegistry) Vitals(_ context.Context, blocks []*registry.Block, _ time.Time, into []registry.Vitals) ([]registry.Vitals, error) {
	for _, b := range blocks {
		for _, s := range b.Servers {
			into = append(into, registry.Vitals{Load: s.Load})
		}
	}
	return into, nil
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

// set replaces all servers of the membership and publishes it.
func (f *fakeRegistry) set(servers ...*events.Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers = slices.SortedFunc(slices.Values(servers), func(a, b *events.Server) int { return strings.Compare(a.Key(), b.Key()) })
	f.publish()
}

// blind switches to registry.ModeBlind and keeps the servers.
func (f *fakeRegistry) blind() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = registry.ModeBlind
	f.publish()
}

// publish sends the membership to all watchers. The caller must hold f.mu.
func (f *fakeRegistry) publish() {
	for w := range f.watchers {
		select {
		case <-w:
		default:
		}
		w <- f.membership()
	}
}

// server returns an alive server of the service "data".
func server(id, addr string) *events.Server {
	return &events.Server{
		Service: "data", ID: id, Addr: addr, State: events.StateAlive, Weight: 100, Incarnation: 1, IntervalMS: 5000, TTLMS: 10000,
	}
}

// in returns a copy of the server s, with the given state.
func in(state events.State, s *events.Server) *events.Server {
	other := *s
	other.State = state
	return &other
}

// testProxy is a running proxy.
type testProxy struct {
	t        testing.TB
	registry *fakeRegistry
	metrics  *prometheus.Registry
	proxy    *proxy.Proxy
	addr     string
	stop     func() // ends Serve and waits for it, then ends Run and waits for it
}

// start runs a proxy with the given servers until the test ends. If the function change is not nil, start calls it to change the
// configuration.
func start(t testing.TB, change func(*proxy.Config), servers ...*events.Server) *testProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, l, change, servers...)
}

func startOn(t testing.TB, l net.Listener, change func(*proxy.Config), servers ...*events.Server) *testProxy {
	t.Helper()
	f := &testProxy{t: t, registry: newFakeRegistry(), metrics: prometheus.NewRegistry()}
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

// awaitMember waits until the proxy knows a server of the given service.
func (f *testProxy) awaitMember(service string) {
	f.t.Helper()
	fixture.Eventually(f.t, 5*time.Second, "the proxy knows the service "+service, func() bool {
		_, err := f.proxy.Pick(f.t.Context(), service, "", "")
		return err == nil
	})
}

// backend runs an HTTP server until the test ends, and returns its address.
func backend(t testing.TB, handler http.HandlerFunc) (addr string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.Listener.Addr().String()
}

// namedBackend runs a server that responds to each request with the given name as the body.
func namedBackend(t testing.TB, name string) (addr string) {
	t.Helper()
	return backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
}

// responding runs a server that calls the function respond for each request.
func responding(t testing.TB, respond func(c net.Conn, req *http.Request)) (addr string) {
	t.Helper()
	return fixture.Serve(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			respond(c, req)
		}
	})
}

// reset closes c with a TCP reset.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// refusing returns an address that refuses connections.
func refusing(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// client returns an HTTP client whose connections are closed when the test ends.
func client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// response is an HTTP response with its whole body.
type response struct {
	status  int
	header  http.Header
	body    string
	trailer http.Header
}

func do(t testing.TB, c *http.Client, req *http.Request) response {
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
	return response{resp.StatusCode, resp.Header, string(body), resp.Trailer}
}

func (f *testProxy) url(path string) string { return "http://" + f.addr + path }

func (f *testProxy) get(path string) response {
	f.t.Helper()
	return f.send(http.MethodGet, path, "")
}

func (f *testProxy) send(method, path, body string) response {
	f.t.Helper()
	req, err := http.NewRequest(method, f.url(path), strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	return do(f.t, client(f.t), req)
}

// raw sends the request as raw bytes on a new connection. It returns everything that it receives until the proxy closes the connection or
// sends nothing for a second.
func (f *testProxy) raw(request string) string {
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

func (f *testProxy) dial() net.Conn {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	return c
}

// metric returns the sum of a metric over all series that have the given labels. Each label has the form name=value.
func (f *testProxy) metric(name string, labels ...string) float64 {
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

// failures returns the number of attempts that failed through the fault of a server.
func (f *testProxy) failures() float64 {
	f.t.Helper()
	sum := 0.0
	for _, result := range []string{"status", "connect", "late", "dead", "broken", "other"} {
		sum += f.metric("rollcall_proxy_attempts_total", "result="+result)
	}
	return sum
}

// readHead reads the header of a request. The returned reader continues after the header.
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
