package proxy_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/balancer"
	"rollcall/services/proxy"
	"rollcall/services/registry"
)

func TestIdleConnectionsAreClosedWhenServerLeaves(t *testing.T) {
	closed := make(chan struct{})
	addr := fixture.Serve(t, func(c net.Conn) {
		_, _, _ = readHead(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
		close(closed)
	})
	f := start(t, nil, server("a", addr))
	f.get("/data/x")
	if n := f.metric("rollcall_proxy_connections"); n != 1 {
		t.Fatalf("%v connections, want 1", n)
	}
	f.registry.set()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("the connection is still open")
	}
	if a := f.get("/data/x"); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("got %d %v, want a 503 with Retry-After", a.status, a.header)
	}
}

func TestIdleConnectionsAreClosedInModeBlind(t *testing.T) {
	asked, finish := make(chan struct{}), make(chan struct{})
	finished := sync.OnceFunc(func() { close(finish) })
	addr := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			asked <- struct{}{}
			<-finish
		}
		_, _ = io.WriteString(w, "done")
	})
	f := start(t, nil, server("a", addr))
	t.Cleanup(finished)
	got := make(chan response, 1)
	go func() { got <- f.get("/data/slow") }()
	<-asked
	f.get("/data/x")
	if n := f.metric("rollcall_proxy_connections"); n != 2 {
		t.Fatalf("%v connections, want one in use and one idle", n)
	}
	f.registry.blind()
	fixture.Eventually(t, 5*time.Second, "the idle one is closed", func() bool { return f.metric("rollcall_proxy_connections") == 1 })
	finished()
	if a := <-got; a.status != http.StatusOK || a.body != "done" {
		t.Errorf("the request in flight got %d %s", a.status, a.body)
	}
	if a := f.get("/data/x"); a.status != http.StatusOK {
		t.Errorf("the next request got %d %s", a.status, a.body)
	}
}

func TestRequestsInFlightWhenServerLeaves(t *testing.T) {
	asked, finish := make(chan struct{}, 1), make(chan struct{})
	addr := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-finish
		_, _ = io.WriteString(w, "done")
	})
	for name, drain := range map[string]time.Duration{"shorter than the drain": time.Minute, "longer than the drain": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(c *proxy.Config) { c.Drain = drain }, server("a", addr))
			got := make(chan response, 1)
			go func() { got <- f.send("POST", "/data/x", "body") }()
			<-asked
			f.registry.set()
			if drain == time.Minute {
				fixture.Eventually(t, 5*time.Second, "the server is gone", func() bool {
					_, err := f.proxy.Pick(t.Context(), "data", "", "")
					return errors.Is(err, proxy.ErrNoServer)
				})
				finish <- struct{}{}
				if a := <-got; a.status != http.StatusOK || a.body != "done" {
					t.Errorf("got %d %s", a.status, a.body)
				}
				return
			}
			if a := <-got; a.status != http.StatusBadGateway || !strings.Contains(a.body, "left") {
				t.Errorf("got %d %s", a.status, a.body)
			}
			finish <- struct{}{}
		})
	}
}

func TestServerMoves(t *testing.T) {
	old, moved := server("a", namedBackend(t, "old")), server("a", namedBackend(t, "new"))
	restarted := server("a", namedBackend(t, "restarted"))
	restarted.Incarnation = 2
	f := start(t, nil, old)
	if a := f.get("/data/x"); a.body != "old" {
		t.Fatalf("got %q", a.body)
	}
	for want, s := range map[string]*events.Server{"new": moved, "restarted": restarted} {
		f.registry.set(s)
		fixture.Eventually(t, 5*time.Second, "an answer from "+want, func() bool { return f.get("/data/x").body == want })
	}
}

func TestSuspectsAreUsedOnlyIfTheyAreTooMany(t *testing.T) {
	a, b, c := server("a", namedBackend(t, "a")), server("b", namedBackend(t, "b")), server("c", namedBackend(t, "c"))
	f := start(t, nil, a, b, in(events.StateSuspect, c))
	for range 50 {
		if got := f.get("/data/x").body; got == "c" {
			t.Fatal("a suspect was used")
		}
	}
	f.registry.set(a, in(events.StateSuspect, b), in(events.StateSuspect, c))
	fixture.Eventually(t, 5*time.Second, "suspects are used", func() bool { return f.get("/data/x").body != "a" })
	if f.metric("rollcall_proxy_panic", "service=data") != 1 {
		t.Error("rollcall_proxy_panic is not 1")
	}
}

func TestServerOfWeightZeroGetsNoRequests(t *testing.T) {
	drained := in(events.StateDraining, server("b", namedBackend(t, "b")))
	drained.Weight = 0
	f := start(t, nil, server("a", namedBackend(t, "a")), drained)
	for range 50 {
		if got := f.get("/data/x").body; got != "a" {
			t.Fatalf("got %q", got)
		}
	}
	f.registry.set(drained)
	fixture.Eventually(t, 5*time.Second, "503", func() bool { return f.get("/data/x").status == http.StatusServiceUnavailable })
}

func TestFailingServerIsEjectedAndReported(t *testing.T) {
	var asked atomic.Int64
	failing := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	f := start(t, nil, server("bad", failing), server("good", namedBackend(t, "good")))
	for range 100 {
		f.get("/data/x")
	}
	if asked.Load() != 5 {
		t.Errorf("the failing server got %d requests, want 5", asked.Load())
	}
	if n := f.metric("rollcall_proxy_ejections_total", "service=data"); n != 1 {
		t.Errorf("%v ejections, want 1", n)
	}
	fixture.Eventually(t, 5*time.Second, "evidence", func() bool { return len(f.registry.reported()) == 1 })
	if e := f.registry.reported()[0]; e.ID != "bad" || e.Source != registry.SourceProxy || e.Finding != registry.FindingFailing {
		t.Errorf("got evidence %+v", e)
	}
}

func TestEvidenceIsLimitedToOnePerSecond(t *testing.T) {
	f := start(t, func(c *proxy.Config) { c.Balancer.Eject.After = -1 }, server("dead", refusing(t)))
	begun := time.Now()
	for range 100 {
		f.get("/data/x")
	}
	if most := 1 + int(time.Since(begun)/time.Second) + 1; len(f.registry.reported()) > most {
		t.Errorf("%d pieces of evidence, want at most %d", len(f.registry.reported()), most)
	}
}

func TestPickByPolicyAndKey(t *testing.T) {
	var servers []*events.Server
	for _, id := range ids(10) {
		servers = append(servers, server(id, "127.0.0.1:1"))
	}
	f := start(t, nil, servers...)
	seen := make(map[string]int)
	for range 20 {
		s, err := f.proxy.Pick(t.Context(), "data", balancer.RoundRobin, "")
		if err != nil {
			t.Fatal(err)
		}
		seen[s.ID]++
	}
	for id, n := range seen {
		if n != 2 || len(seen) != 10 {
			t.Errorf("round robin of 20: %s was picked %d times, of %d servers", id, n, len(seen))
		}
	}
	first, err := f.proxy.Pick(t.Context(), "data", balancer.Hash, "key")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if s, err := f.proxy.Pick(t.Context(), "data", balancer.Hash, "key"); err != nil || s.ID != first.ID {
			t.Fatalf("one key: got %v after %v, %v", s.ID, first.ID, err)
		}
	}
	if _, err := f.proxy.Pick(t.Context(), "nobody", "", ""); !errors.Is(err, proxy.ErrNoServer) {
		t.Errorf("unknown service: %v", err)
	}
	if _, err := f.proxy.Pick(t.Context(), "data", "best", ""); err == nil || errors.Is(err, proxy.ErrNoServer) {
		t.Errorf("unknown policy: %v", err)
	}
}

func TestHashSendsAKeyToOneServer(t *testing.T) {
	var servers []*events.Server
	for _, id := range ids(8) {
		servers = append(servers, server(id, namedBackend(t, id)))
	}
	with := func(set func(*http.Request)) func(f *testProxy, key string) string {
		return func(f *testProxy, key string) string {
			req, _ := http.NewRequest(http.MethodGet, f.url("/data/x?user="+key), nil)
			req.Header.Set("X-User", key)
			req.AddCookie(&http.Cookie{Name: "user", Value: key})
			set(req)
			return do(f.t, client(f.t), req).body
		}
	}
	for text, none := range map[string]func(*http.Request){
		"header:X-User": func(r *http.Request) { r.Header.Del("X-User") },
		"cookie:user":   func(r *http.Request) { r.Header.Del("Cookie") },
		"query:user":    func(r *http.Request) { r.URL.RawQuery = "" },
	} {
		t.Run(text, func(t *testing.T) {
			key, err := proxy.ParseHashKey(text)
			if err != nil {
				t.Fatal(err)
			}
			f := start(t, func(c *proxy.Config) { c.Balancer.Policy, c.Hash = balancer.Hash, key }, servers...)
			used := make(map[string]bool)
			for _, user := range ids(20) {
				first := with(func(*http.Request) {})(f, user)
				used[first] = true
				for range 3 {
					if again := with(func(*http.Request) {})(f, user); again != first {
						t.Fatalf("%s went to %s and %s", user, first, again)
					}
				}
			}
			if len(used) < 4 {
				t.Errorf("20 keys went to %d of 8 servers", len(used))
			}
			spread := make(map[string]bool)
			for range 30 {
				spread[with(none)(f, "x")] = true
			}
			if len(spread) < 4 {
				t.Errorf("30 requests without a key went to %d of 8 servers", len(spread))
			}
		})
	}
	f := start(t, func(c *proxy.Config) { c.Balancer.Policy = balancer.Hash }, servers...)
	first := f.get("/data/x").body
	for range 20 {
		if again := f.get("/data/x").body; again != first {
			t.Fatalf("one client went to %s and %s", first, again)
		}
	}
	for _, text := range []string{"", "cookie", "cookie:", "client:x", "body:x", "header:a b"} {
		if _, err := proxy.ParseHashKey(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestLeastLoadUsesReportedLoads(t *testing.T) {
	busy, calm := server("busy", namedBackend(t, "busy")), server("calm", namedBackend(t, "calm"))
	busy.Load, calm.Load = &events.Load{InFlight: 1000}, &events.Load{InFlight: 1}
	f := start(t, func(c *proxy.Config) { c.Balancer.Policy = balancer.LeastLoad }, busy, calm)
	fixture.Eventually(t, 5*time.Second, "only the calm one is used", func() bool {
		for range 20 {
			if f.get("/data/x").body != "calm" {
				return false
			}
		}
		return true
	})
}
