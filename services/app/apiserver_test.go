package app_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/apiserver"
	"rollcall/services/app"
	"rollcall/services/config"
	"rollcall/services/embednsq"
	"rollcall/services/version"
)

func TestAPIServerListsServersFromNSQ(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	a := mustRun(t, quick(nsqd.TCPAddr()))
	client := mustClient(t, a.Addr())
	fixture.Eventually(t, 5*time.Second, "ready", func() bool { return client.Ready(t.Context()) == nil })
	mustPublish(t, nsqd.TCPAddr(), events.HeartbeatTopic, `{"v":1,"service":"web","addr":"10.0.0.7:8080","interval_ms":10000,"ttl_ms":60000}`)

	var list *apiserver.ServerList
	fixture.Eventually(t, 5*time.Second, "server listed", func() bool {
		var err error
		list, err = client.Servers(t.Context(), apiserver.Query{})
		return err == nil && len(list.Servers) == 1
	})
	if s := list.Servers[0]; s.Key() != "web/10.0.0.7:8080" || s.Via != nsqd.TCPAddr() {
		t.Errorf("got %+v", s)
	}
	status, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.ID != "api-1" || status.Version != version.String() || len(status.NSQD) != 1 || status.NSQD[0].Address != nsqd.TCPAddr() ||
		!status.NSQD[0].Connected || status.NSQD[0].Received == 0 {
		t.Errorf("got status %+v", status)
	}
	for _, metric := range []string{"rollcall_", "go_goroutines", "process_cpu_seconds_total"} {
		if text := mustGet(t, "http://"+a.Addr()+"/metrics"); !strings.Contains(text, "\n"+metric) {
			t.Errorf("/metrics lacks %s", metric)
		}
	}
}

func TestAPIServerRejectsDeniedAddresses(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	cfg := quick(nsqd.TCPAddr())
	cfg.Registry.Allow = []string{"127.0.0.0/8"}
	a := mustRun(t, cfg)
	refused, _ := mustListen(t, nsqd.TCPAddr(), events.HeartbeatTopic+events.InvalidSuffix)
	for _, addr := range []string{a.Addr(), "10.0.0.7:8080", "127.0.0.1:1"} {
		mustPublish(t, nsqd.TCPAddr(), events.HeartbeatTopic, addr)
	}
	fixture.Eventually(t, 5*time.Second, "two refused, one registered", func() bool {
		return len(refused.heard()) == 2 && len(a.servers()) == 1
	})
	for _, body := range refused.heard() {
		var r events.Rejected
		if err := json.Unmarshal(body, &r); err != nil || r.Reason != events.ReasonDenied {
			t.Errorf("got %v and %s, want one that is denied", err, body)
		}
	}
	if s := a.servers()[0]; s.Addr != "127.0.0.1:1" {
		t.Errorf("got %+v", s)
	}
}

func TestRunLeavesNoGoroutines(t *testing.T) {
	leftNothing := fixture.WatchLeaks(t)
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	a := mustRun(t, withProxy(quick(nsqd.TCPAddr())))
	transport := &http.Transport{} // keeps its connections until the server closes them
	client, err := apiserver.NewClient(a.Addr(), &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	mustPublish(t, nsqd.TCPAddr(), events.HeartbeatTopic, "10.0.0.7:8080")
	fixture.Eventually(t, 5*time.Second, "server listed", func() bool {
		list, err := client.Servers(t.Context(), apiserver.Query{})
		return err == nil && len(list.Servers) > 0
	})
	if status, body := a.get("/nobody"); status != http.StatusServiceUnavailable {
		t.Errorf("the proxy: got %d %s", status, body)
	}
	begun := time.Now()
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if err := nsqd.Stop(); err != nil {
		t.Error(err)
	}
	leftNothing()
}

func TestRunStoppedDuringStartLeavesNoGoroutines(t *testing.T) {
	leftNothing := fixture.WatchLeaks(t)
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	for range 20 { // each API server stops at a different point of its start
		if err := mustRun(t, quick(nsqd.TCPAddr())).stop(); err != nil {
			t.Error(err)
		}
	}
	if err := nsqd.Stop(); err != nil {
		t.Error(err)
	}
	leftNothing()
}

func TestPortInUseIsReportedBeforeStart(t *testing.T) {
	leftNothing := fixture.WatchLeaks(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for key, take := range map[string]func(*config.Config){
		"api.listen":   func(c *config.Config) { c.API.Listen = taken.Addr().String() },
		"proxy.listen": func(c *config.Config) { c.Proxy.Listen = taken.Addr().String() },
	} {
		cfg := quick(fixture.FreeAddr(t))
		take(&cfg)
		_, err = app.ListenAPIServer(cfg, zap.NewNop())
		if want := fmt.Sprintf("%s %s: ", key, taken.Addr()); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "in use") {
			t.Errorf("got %v, want %q first", err, want)
		}
	}
	leftNothing()
}

// During a stop, while the last requests are completed, the API server is not ready and its registry still responds.
func TestStopEndsReadinessFirstAndRegistryAfterHTTP(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	a := mustRun(t, quick(nsqd.TCPAddr()))
	client := mustClient(t, a.Addr())
	fixture.Eventually(t, 5*time.Second, "ready", func() bool { return client.Ready(t.Context()) == nil })
	a.observe(events.KindHeartbeat, 7, 1)
	fixture.Eventually(t, 5*time.Second, "server listed", func() bool { return len(a.servers()) == 1 })
	ready, list := mustBegin(t, a.Addr(), "/readyz"), mustBegin(t, a.Addr(), "/v1/servers")

	stopped := make(chan error, 1)
	go func() { stopped <- a.stop() }()
	fixture.Eventually(t, 5*time.Second, "no new connections", func() bool {
		conn, err := net.Dial("tcp", a.Addr())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if status, body := ready.finish(); status != http.StatusServiceUnavailable || !strings.Contains(body, "stopping") {
		t.Errorf("/readyz: %d %s, want 503 and why", status, body)
	}
	if status, body := list.finish(); status != http.StatusOK || !strings.Contains(body, `"id":"s7"`) {
		t.Errorf("/v1/servers: %d %s, want 200 and the server", status, body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// request is an HTTP request whose body the server is waiting for.
type request struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func mustBegin(t testing.TB, addr, path string) request {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	r := request{t, conn, bufio.NewReader(conn)}
	r.write("GET " + path + " HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
	if status, _ := r.read(); status != http.StatusContinue {
		t.Fatalf("%s: %d before the body, want 100", path, status)
	}
	return r
}

func (r request) finish() (status int, body string) {
	r.t.Helper()
	r.write("x")
	return r.read()
}

func (r request) write(s string) {
	r.t.Helper()
	if _, err := io.WriteString(r.conn, s); err != nil {
		r.t.Fatal(err)
	}
}

func (r request) read() (status int, body string) {
	r.t.Helper()
	resp, err := http.ReadResponse(r.in, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func mustClient(t testing.TB, addr string) *apiserver.Client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	c, err := apiserver.NewClient(addr, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustGet(t testing.TB, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v, %s", url, resp.Status, err, body)
	}
	return string(body)
}
