package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/apiserver"
	"rollcall/services/config"
	"rollcall/services/embednsq"
)

// knows registers a server of the service "data", without NSQ.
func (r *running) knows(id, addr string) {
	r.t.Helper()
	now := time.Now()
	h := &events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: "data", ID: id, Addr: addr, Incarnation: 1, Seq: 1, IntervalMS: 10_000, TTLMS: 60_000, Weight: 100,
	}
	if err := r.Registry().Observe(r.t.Context(), h, events.Receipt{PublishedAt: now, ReceivedAt: now}); err != nil {
		r.t.Fatal(err)
	}
}

func withProxy(cfg config.Config) config.Config {
	cfg.Proxy.Listen = "127.0.0.1:0"
	return cfg
}

func (r *running) get(path string) (status int, body string) {
	r.t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Get("http://" + r.ProxyAddr() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// A server that refuses connections is suspected after the first request and expires long before its lease ends.
func TestFailedConnectionOfProxyExpiresServer(t *testing.T) {
	a := mustRun(t, withProxy(quick(fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr())))
	a.knows("dead", fixture.FreeAddr(t))
	fixture.Eventually(t, 2*time.Second, "the proxy knows the server", func() bool {
		status, body := a.get("/data/x")
		return status == http.StatusBadGateway && strings.Contains(body, "no connection")
	})
	begun := time.Now()
	fixture.Eventually(t, 2*time.Second, "the server is off the roll", func() bool { return len(a.servers()) == 0 })
	t.Logf("it was gone %v later", time.Since(begun))
	transitions := a.stats().Transitions
	if transitions[events.TypeSuspected][events.CauseUnreachable] != 1 || transitions[events.TypeExpired][events.CauseRefused] != 1 {
		t.Errorf("transitions: %v", transitions)
	}
	fixture.Eventually(t, time.Second, "nobody is left", func() bool {
		status, _ := a.get("/data/x")
		return status == http.StatusServiceUnavailable
	})
}

// Even if the registry contains an address on which the API server itself listens, the dialer refuses the address, so that no request
// loops.
func TestProxyNeverConnectsToItself(t *testing.T) {
	a := mustRun(t, withProxy(quick(fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr())))
	for id, addr := range map[string]string{"proxy": a.ProxyAddr(), "api": a.Addr()} {
		a.knows(id, addr)
	}
	fixture.Eventually(t, 2*time.Second, "the proxy knows the servers", func() bool {
		status, _ := a.get("/data/data/data/livez")
		return status != http.StatusServiceUnavailable
	})
	for range 10 {
		if status, body := a.get("/data/livez"); status != http.StatusBadGateway {
			t.Errorf("got %d %q, want 502", status, body)
		}
	}
}

func TestPickUsesPoliciesOfTheProxy(t *testing.T) {
	a := mustRun(t, quick(fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr()))
	client := mustClient(t, a.Addr())
	for _, id := range []string{"a", "b"} {
		a.knows(id, fixture.FreeAddr(t))
	}
	seen := make(map[string]bool)
	fixture.Eventually(t, 2*time.Second, "both are picked", func() bool {
		if s, err := client.Pick(t.Context(), "data", apiserver.PickQuery{Policy: "roundrobin"}); err == nil {
			seen[s.ID] = true
		}
		return len(seen) == 2
	})
	if _, err := client.Pick(t.Context(), "data", apiserver.PickQuery{Policy: "best"}); err == nil || !strings.Contains(err.Error(), "p2c") {
		t.Errorf("unknown policy: %v, want an error that names the policies", err)
	}
	if a.ProxyAddr() != "" {
		t.Errorf("the proxy listens on %s", a.ProxyAddr())
	}
	if s, err := a.Registry().Members(t.Context()); err != nil || s.Len() != 2 {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestKeysTrustedAndRewriteReachTheProxy(t *testing.T) {
	for _, rewrite := range []bool{true, false} {
		cfg := withProxy(quick(fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr()))
		cfg.Proxy.Rewrite = rewrite
		cfg.Proxy.Trusted = []string{"127.0.0.0/8"}
		a := mustRun(t, cfg)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.Join(r.Header["X-Forwarded-Proto"], ",")+" "+strings.Join(r.Header["X-Forwarded-Prefix"], ","))
		}))
		t.Cleanup(server.Close)
		a.knows("a", server.Listener.Addr().String())
		want := map[bool]string{true: "https /data", false: "https "}[rewrite]
		fixture.Eventually(t, 2*time.Second, "the server gets "+want, func() bool {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.ProxyAddr()+"/data/x", nil)
			req.Header.Set("X-Forwarded-Proto", "https")
			req.Close = true
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			got, _ := io.ReadAll(resp.Body)
			return string(got) == want
		})
	}
}
