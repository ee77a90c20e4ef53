package dataserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/dataserver"
)

func TestServerResponsesCarryIdentity(t *testing.T) {
	t.Parallel()
	_, base := startServer(t, dataserver.ServerConfig{Agent: dataserver.Config{ID: "a", Publisher: newRecorder()}})
	host := strings.TrimPrefix(base, "http://")

	for _, c := range []struct{ path, accept, want string }{
		{"/", "", "data a at " + host + " answers /\n"},
		{"/orders/7%0A?q=1", "text/html", "data a at " + host + " answers /orders/7%0A\n"},
		{"/healthz", "", "ok\n"},
		{"/metrics", "", "data a at " + host + " answers /metrics\n"}, // without a Gatherer, the server leaves this path to the Handler
	} {
		resp, body := get(t, base+c.path, c.accept)
		if resp.StatusCode != http.StatusOK || body != c.want || resp.Header.Get(events.IdentityHeader) != "a" {
			t.Errorf("%s: got %s %q of %q, want %q of a", c.path, resp.Status, body, resp.Header.Get(events.IdentityHeader), c.want)
		}
	}

	resp, body := get(t, base+"/orders", "application/json")
	var got map[string]string
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got["id"] != "a" || got["addr"] != host || got["service"] != "data" || got["path"] != "/orders" || len(got) != 4 {
		t.Errorf("got %v", got)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("content type %q", ct)
	}
}

func TestServerAdvertisesItsListener(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ listen, advertise string }{
		"default":          {"127.0.0.1:0", ""},
		"host name":        {"localhost:0", ""},
		"explicit address": {":0", addr},
	} {
		t.Run(name, func(t *testing.T) {
			p := newRecorder()
			r, base := startServer(t, dataserver.ServerConfig{
				Listen: c.listen, Agent: dataserver.Config{Addr: c.advertise, Publisher: p},
			})
			get(t, base+"/", "")
			mustStop(t, r)
			want := c.advertise
			if want == "" {
				want = strings.TrimPrefix(base, "http://")
			}
			if got := p.last(t).Addr; got != want {
				t.Errorf("advertises %s, want %s", got, want)
			}
		})
	}
}

func TestServerServesMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	_, base := startServer(t, dataserver.ServerConfig{
		Agent: dataserver.Config{Publisher: newRecorder(), Metrics: registry}, Gatherer: registry,
	})
	if _, body := get(t, base+"/metrics", ""); !strings.Contains(body, `rollcall_agent_heartbeats_total{result="failed"} 0`) {
		t.Errorf("got %s", body)
	}
}

func TestServerLeavesThenFinishesRequests(t *testing.T) {
	t.Parallel()
	p := newRecorder()
	h := newBlocking()
	r, base := startServer(t, dataserver.ServerConfig{
		Agent: dataserver.Config{Publisher: p}, Handler: h, Linger: time.Second,
	})
	answered := make(chan string, 1)
	go func() { answered <- tryGet(base + "/slow") }()
	<-h.entered

	r.cancel()
	fixture.Eventually(t, 10*time.Second, "the leave is published", p.left)
	if load := p.last(t).Load; load == nil || load.InFlight != 1 {
		t.Errorf("the leave carries load %+v, want 1 request in flight", load)
	}
	if got := tryGet(base + "/healthz"); got != "200 ok\n" {
		t.Errorf("response after the leave: %s", got)
	}
	fixture.Eventually(t, 10*time.Second, "the listener is closed", func() bool { return refuses(base) })
	select {
	case err := <-r.err:
		t.Fatalf("Run returned %v with a request in flight", err)
	case got := <-answered:
		t.Fatalf("the response %s came before the handler was released", got)
	default:
	}

	close(h.release)
	if got := <-answered; got != "200 done" {
		t.Errorf("the request in flight got %s", got)
	}
	mustStop(t, r)
}

func TestDrainClosesConnectionOfHangingRequest(t *testing.T) {
	t.Parallel()
	h := newBlocking()
	defer close(h.release)
	r, base := startServer(t, dataserver.ServerConfig{
		Agent: dataserver.Config{Publisher: newRecorder()}, Handler: h, Linger: time.Millisecond, Drain: 100 * time.Millisecond,
	})
	answered := make(chan string, 1)
	go func() { answered <- tryGet(base + "/slow") }()
	<-h.entered
	took, err := r.stop(t)
	if !errors.Is(err, context.DeadlineExceeded) || took < 100*time.Millisecond || took > 2*time.Second {
		t.Errorf("Run returned %v after %v, want a deadline exceeded after 100ms", err, took)
	}
	select {
	case got := <-answered:
		if strings.HasPrefix(got, "200") {
			t.Errorf("the request got %s", got)
		}
	case <-time.After(5 * time.Second): // less than the client's timeout of 10 s
		t.Error("the request is still in flight")
	}
}

func TestAddressInUseIsNamed(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	p := newRecorder()
	s := mustServer(t, dataserver.ServerConfig{Listen: taken.Addr().String(), Agent: dataserver.Config{Publisher: p}})
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("got error %v, want one that names %s", err, taken.Addr())
	}
	if n := len(p.all()); n != 0 {
		t.Errorf("%d messages from a server that cannot listen", n)
	}
	if err := s.Run(t.Context()); !errors.Is(err, dataserver.ErrRan) {
		t.Errorf("the second Run returned %v", err)
	}
}

func TestIdentifyKeepsTheResponse(t *testing.T) {
	t.Parallel()
	a := mustAgent(t, dataserver.Config{ID: "a", Addr: addr, Publisher: newRecorder()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: a.Identify(http.NotFoundHandler())}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	resp, _ := get(t, "http://"+l.Addr().String(), "")
	if resp.StatusCode != http.StatusNotFound || resp.Header.Get(events.IdentityHeader) != "a" {
		t.Errorf("got %s of %q", resp.Status, resp.Header.Get(events.IdentityHeader))
	}
	_ = srv.Close()
	<-served
}

// blocking is a handler that responds after the test has closed the channel blocking.release.
type blocking struct{ entered, release chan struct{} }

func newBlocking() *blocking { return &blocking{make(chan struct{}, 1), make(chan struct{})} }

func (b *blocking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.entered <- struct{}{}
	select {
	case <-b.release:
		_, _ = io.WriteString(w, "done")
	case <-r.Context().Done():
	}
}

func mustServer(t testing.TB, cfg dataserver.ServerConfig) *dataserver.Server {
	t.Helper()
	s, err := dataserver.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// startServer starts a server and returns its URL when it accepts connections. The server stops at the end of the test, or
// when the caller stops the run.
func startServer(t testing.TB, cfg dataserver.ServerConfig) (*run, string) {
	t.Helper()
	listening := make(chan string, 1)
	cfg.OnListen = func(listen, _ string) { listening <- listen }
	if cfg.Linger == 0 {
		cfg.Linger = time.Millisecond
	}
	done := make(chan struct{})
	s := mustServer(t, cfg)
	r := start(t, func(ctx context.Context) error {
		defer close(done)
		return s.Run(ctx)
	})
	t.Cleanup(func() {
		r.cancel()
		<-done
	})
	addr := <-listening
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return r, "http://127.0.0.1:" + port
}

// client returns a client that closes its connections, so that no idle connection delays a server's stop.
func client() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

func get(t testing.TB, url, accept string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// tryGet returns the status code and the body, or the error's text.
func tryGet(url string) string {
	resp, err := client().Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return resp.Status[:4] + string(body)
}

func refuses(base string) bool {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}
