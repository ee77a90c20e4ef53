package apiserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"rollcall/events"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the time of the first tick of every registry in these tests.
func start() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// harness has a running registry, an API server that uses this registry, and the clock of both.
type harness struct {
	t        testing.TB
	registry *registry.Registry
	server   *apiserver.Server
	metrics  *prometheus.Registry
	openAPI  *openAPI
	stop     func()        // stops the registry and waits until its Run has returned
	ready    error         // error that Config.Ready returns
	ticked   time.Duration // time from start() to the next tick
	silent   bool          // if true, the method tick delivers no canaries (test messages)
	now      atomic.Int64  // time of the clock, in nanoseconds after start()
}

func mustHarness(t testing.TB, change ...func(*apiserver.Config)) *harness {
	t.Helper()
	r := &harness{t: t, metrics: prometheus.NewPedanticRegistry()}
	var err error
	if r.registry, err = registry.New(registry.Config{Observer: "api-1", Started: start()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		if err := r.registry.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	r.stop = func() { cancel(); <-ran }
	t.Cleanup(r.stop)
	r.tick(0)
	r.server = r.mustServer(r.registry, change...)
	r.openAPI = mustOpenAPI(t, r.server)
	return r
}

func (r *harness) mustServer(reg apiserver.Registry, change ...func(*apiserver.Config)) *apiserver.Server {
	r.t.Helper()
	cfg := apiserver.Config{
		Registry: reg,
		ID:       "api-1",
		Version:  "1.2.3",
		Ready:    func() error { return r.ready },
		Gatherer: r.metrics,
		Now:      func() time.Time { return start().Add(time.Duration(r.now.Load())) },
		Nodes: func() []apiserver.Node {
			return []apiserver.Node{
				{Address: "10.0.0.1:4150", Connected: true, LastMessage: start().Add(8 * time.Second), Received: 7},
				{Address: "10.0.0.2:4150", Error: "dial tcp 10.0.0.2:4150: connect: connection refused"},
			}
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := apiserver.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// tick advances the time to start+after. It ticks the registry every 250 ms, and delivers a canary through the connected nsqd each time
// unless r.silent is true.
func (r *harness) tick(after time.Duration) {
	r.t.Helper()
	for ; r.ticked <= after; r.ticked += 250 * time.Millisecond {
		at := start().Add(r.ticked)
		canary := &events.Heartbeat{V: 1, Type: events.KindCanary, ID: "api-2"}
		receipt := events.Receipt{Via: "10.0.0.1:4150", PublishedAt: at, ReceivedAt: at, Delay: 3 * time.Millisecond}
		if !r.silent {
			if err := r.registry.Observe(context.Background(), canary, receipt); err != nil {
				r.t.Fatal(err)
			}
		}
		if err := r.registry.Tick(context.Background(), at, []string{"10.0.0.1:4150"}); err != nil {
			r.t.Fatal(err)
		}
	}
	r.now.Store(int64(after))
}

// deliver delivers a heartbeat at start+after. It may be called from other goroutines.
func (r *harness) deliver(after time.Duration, h events.Heartbeat) {
	r.t.Helper()
	at := start().Add(after)
	receipt := events.Receipt{Via: "10.0.0.1:4150", PublishedAt: at.Add(-2 * time.Millisecond), ReceivedAt: at, Delay: 2 * time.Millisecond}
	if err := r.registry.Observe(context.Background(), &h, receipt); err != nil {
		r.t.Error(err)
	}
}

func heartbeat(service, id, addr string, seq uint64) events.Heartbeat {
	return events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: service, ID: id, Addr: addr, Incarnation: 1763812345678, Seq: seq,
		IntervalMS: 5000, TTLMS: 10000, Weight: 100,
	}
}

// populate registers data/blue (alive), data/green (draining) and web/10.0.0.9:80 (suspect), and completes the registry.
func (r *harness) populate() {
	r.t.Helper()
	blue := heartbeat("data", "blue", "10.0.0.7:8080", 1)
	blue.Zone, blue.Version, blue.Tags = "a", "1.4.2", []string{"blue", "canary"}
	blue.Meta, blue.Load = events.NewMeta(map[string]string{"rack": "r7", "note": "<script>\"é\"\u2028"}), &events.Load{InFlight: 3}
	green := heartbeat("data", "green", "10.0.0.8:8080", 1)
	green.Zone, green.Weight, green.Tags = "b", 0, []string{"green"}
	bare := heartbeat("web", "10.0.0.9:80", "10.0.0.9:80", 0)
	bare.Incarnation = 0
	r.tick(time.Second)
	for _, h := range []events.Heartbeat{blue, green, bare} {
		r.deliver(time.Second, h)
	}
	r.tick(6 * time.Second)
	for _, h := range []events.Heartbeat{blue, green} {
		h.Seq = 2
		r.deliver(6*time.Second, h)
	}
	r.tick(8500 * time.Millisecond)
}

// do sends a request to the handler without a socket, and compares the response with openapi.yaml.
func (r *harness) do(method, target string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	w := do(r.server, method, target, header...)
	r.openAPI.check(r.t, httptest.NewRequest(method, target, nil), w)
	return w
}

func do(s *apiserver.Server, method, target string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req)
	return w
}

// mustRun runs the server on a free port. It returns the base URL, and a function that stops Run and waits until Run has returned.
func (r *harness) mustRun() (string, func()) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		if err := r.server.Run(ctx, l); err != nil {
			r.t.Error(err)
		}
	}()
	stop := func() { cancel(); <-ran }
	r.t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

func mustClient(t testing.TB, base string) *apiserver.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := apiserver.NewClient(base, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustProblem(t testing.TB, w *httptest.ResponseRecorder) apiserver.Problem {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q, want a problem; body %q", got, w.Body)
	}
	var p apiserver.Problem
	mustDecode(t, w.Body.Bytes(), &p)
	if p.Status != w.Code || p.Type != "about:blank" || p.Detail == "" {
		t.Errorf("status %d with problem %+v", w.Code, p)
	}
	return p
}

func mustDecode(t testing.TB, body []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
}

func mustGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, got, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s:\ngot  %s\nwant %s", file, got, want)
	}
}

// keys returns service/id of each server in a response.
func keys(t testing.TB, w *httptest.ResponseRecorder) []string {
	t.Helper()
	var list apiserver.ServerList
	mustDecode(t, w.Body.Bytes(), &list)
	names := make([]string, 0)
	for _, s := range list.Servers {
		names = append(names, s.Key())
	}
	return names
}
