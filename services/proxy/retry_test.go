package proxy_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/proxy"
	"rollcall/services/registry"
)

func TestRefusedConnectionIsRetriedForEveryMethod(t *testing.T) {
	f := start(t, nil, server("dead", refusing(t)), server("live", namedBackend(t, "live")))
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		for range 20 {
			a := f.send(method, "/data/x", "body")
			if a.status != http.StatusOK || a.header.Get("X-Served-By") != "live" {
				t.Fatalf("%s: got %d of %q: %s", method, a.status, a.header.Get("X-Served-By"), a.body)
			}
		}
	}
	if f.metric("rollcall_proxy_retries_total", "service=data") == 0 {
		t.Error("the dead server was never chosen")
	}
	fixture.Eventually(t, 5*time.Second, "evidence", func() bool { return len(f.registry.reported()) > 0 })
	e := f.registry.reported()[0]
	if e.ID != "dead" || e.Service != "data" || e.Incarnation != 1 || e.Finding != registry.FindingRefused || e.Source != registry.SourceProxy ||
		e.Began.After(e.Ended) {
		t.Errorf("got evidence %+v", e)
	}
}

func TestBrokenConnectionIsRetriedForIdempotentMethods(t *testing.T) {
	var met atomic.Int64
	breaks := fixture.Serve(t, func(c net.Conn) {
		if _, _, err := readHead(c); err == nil {
			met.Add(1)
			reset(c)
		}
	})
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "PUT": 200, "DELETE": 200, "OPTIONS": 200, "POST": 502, "PATCH": 502} {
		t.Run(method, func(t *testing.T) {
			f := start(t, func(c *proxy.Config) { c.Balancer.Eject.After = -1 }, server("breaks", breaks), server("live", namedBackend(t, "live")))
			met.Store(0)
			worst := 0
			for range 40 {
				if a := f.send(method, "/data/x", "body"); a.status > worst {
					worst = a.status
				}
			}
			if met.Load() == 0 {
				t.Fatal("the server that resets connections got no request")
			}
			if worst != want {
				t.Errorf("got %d, want %d", worst, want)
			}
			if e := f.registry.reported(); len(e) > 0 {
				t.Errorf("reported %v, want no evidence of a server that is not ejected", e)
			}
		})
	}
}

func TestErrorStatusIsNotRetried(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504} {
		var asked atomic.Int64
		failing := func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.WriteHeader(status)
		}
		f := start(t, nil, server("a", backend(t, failing)), server("b", backend(t, failing)))
		for range 100 {
			if a := f.get("/data/x"); a.status != status {
				t.Fatalf("got %d, want %d", a.status, status)
			}
		}
		if asked.Load() != 100 {
			t.Errorf("status %d: the servers got %d requests, want 100", status, asked.Load())
		}
	}
}

func TestRetryBudget(t *testing.T) {
	var met atomic.Int64
	breaks := func() string {
		return fixture.Serve(t, func(c net.Conn) {
			met.Add(1)
			_, _, _ = readHead(c)
			reset(c)
		})
	}
	f := start(t, func(c *proxy.Config) {
		c.Balancer.Eject.After = -1
		c.Retry.PerSecond = 1
	}, server("a", breaks()), server("b", breaks()), server("c", breaks()))
	for range 100 {
		if a := f.get("/data/x"); a.status != http.StatusBadGateway {
			t.Fatalf("got %d, want 502", a.status)
		}
	}
	// The servers may get the 100 requests, 20 retries (20 % of the requests), and 10 retries (1 per second in the window of 10 s).
	if n := met.Load(); n <= 100 || n > 100+20+10 {
		t.Errorf("the servers got %d requests, want more than 100 and at most 130", n)
	}
	if f.metric("rollcall_proxy_retries_refused_total") == 0 {
		t.Error("no attempt was refused")
	}
}

func TestRetryLimit(t *testing.T) {
	var servers []*events.Server
	var met atomic.Int64
	for _, id := range ids(6) {
		servers = append(servers, server(id, fixture.Serve(t, func(c net.Conn) {
			met.Add(1)
			_, _, _ = readHead(c)
			reset(c)
		})))
	}
	f := start(t, nil, servers...)
	if a := f.get("/data/x"); a.status != http.StatusBadGateway || !strings.Contains(a.body, "no complete response") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if met.Load() != 3 {
		t.Errorf("%d attempts, want 3", met.Load())
	}
}

func TestNoRetryAfterPartOfResponse(t *testing.T) {
	var met atomic.Int64
	f := start(t, nil, server("a", fixture.Serve(t, func(c net.Conn) {
		met.Add(1)
		_, _, _ = readHead(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le")
		reset(c)
	})), server("b", fixture.Serve(t, func(c net.Conn) {
		met.Add(1)
		_, _, _ = readHead(c)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
	})))
	for range 100 {
		resp, err := client(t).Get(f.url("/data/x"))
		if err != nil {
			continue // the header of the response was not complete
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusOK {
			t.Fatalf("a partial response looks complete: %q", body)
		}
	}
	if met.Load() != 100 {
		t.Errorf("%d attempts for 100 requests", met.Load())
	}
}

func TestResponseTimeout(t *testing.T) {
	hangs := fixture.Serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	short := func(c *proxy.Config) { c.ResponseTimeout = 100 * time.Millisecond }
	f := start(t, short, server("hangs", hangs))
	begun := time.Now()
	if a := f.get("/data/x"); a.status != http.StatusGatewayTimeout {
		t.Errorf("got %d %s, want 504", a.status, a.body)
	}
	if took := time.Since(begun); took < 100*time.Millisecond || took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A request that waits for a server is retried as soon as the registry finds that server dead.
func TestRetryWhenServerIsFoundDead(t *testing.T) {
	waiting := make(chan struct{}, 100)
	hangs := server("hangs", fixture.Serve(t, func(c net.Conn) {
		if _, _, err := readHead(c); err == nil {
			waiting <- struct{}{}
		}
		_, _ = io.Copy(io.Discard, c)
	}))
	f := start(t, nil, hangs)
	got := make(chan response, 1)
	go func() { got <- f.get("/data/x") }()
	<-waiting
	live := server("live", namedBackend(t, "live"))
	f.registry.set(in(events.StateSuspect, hangs), live)
	fixture.Eventually(t, 5*time.Second, "the live one is known", func() bool {
		s, err := f.proxy.Pick(t.Context(), "data", "", "")
		return err == nil && s.ID == "live"
	})
	f.registry.set(live)
	select {
	case a := <-got:
		if a.status != http.StatusOK || a.body != "live" {
			t.Errorf("got %d %s", a.status, a.body)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits still")
	}
}
