package proxy_test

import (
	"io"
	"net"
	"net/http"
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

const shortResponse = 600 * time.Millisecond

func shortTimeout(c *proxy.Config) { c.ResponseTimeout = shortResponse }

// slowOn runs a server that responds to /slow only after the test, and to any other path at once. It counts the requests for /slow in the
// parameter executed.
func slowOn(t *testing.T, executed *atomic.Int64) string {
	t.Helper()
	done := make(chan struct{})
	addr := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			executed.Add(1)
			<-done
		}
	})
	t.Cleanup(func() { close(done) }) // runs before the cleanup of backend, which waits for the handlers
	return addr
}

func threeSlow(t *testing.T, executed *atomic.Int64) []*events.Server {
	t.Helper()
	var servers []*events.Server
	for _, id := range ids(3) {
		servers = append(servers, server(id, slowOn(t, executed)))
	}
	return servers
}

// inParallel sends n GET requests for the given path at once, and waits for all responses. It fails the test unless each response is a 504.
func (f *testProxy) inParallel(n int, path string) {
	f.t.Helper()
	var sending sync.WaitGroup
	for range n {
		sending.Go(func() {
			resp, err := client(f.t).Get(f.url(path))
			if err != nil {
				f.t.Error(err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusGatewayTimeout {
				f.t.Errorf("got %d, want 504", resp.StatusCode)
			}
		})
	}
	sending.Wait()
}

func TestRequestThatTimedOutIsExecutedOnce(t *testing.T) {
	for _, method := range []string{"GET", "PUT", "DELETE", "HEAD", "OPTIONS", "POST", "PATCH"} {
		t.Run(method, func(t *testing.T) {
			var executed atomic.Int64
			f := start(t, shortTimeout, threeSlow(t, &executed)...)
			begun := time.Now()
			a := f.send(method, "/data/slow", "b")
			took := time.Since(begun)
			if a.status != http.StatusGatewayTimeout || executed.Load() != 1 {
				t.Errorf("got %d after %d executions, want 504 after one", a.status, executed.Load())
			}
			if took < shortResponse || took > 2*shortResponse {
				t.Errorf("it took %v, want %v", took, shortResponse)
			}
		})
	}
}

// The response timeout of a request covers all attempts together. It does not start again with each attempt.
func TestResponseTimeoutRunsOverAllAttempts(t *testing.T) {
	var executed atomic.Int64
	for name, first := range map[string]func(net.Conn){
		"the first server resets the connection": func(c net.Conn) {
			_, _, _ = readHead(c)
			fixture.Sleep(shortResponse * 3 / 4)
			reset(c)
		},
		"the first two servers reset the connection": func(c net.Conn) {
			_, _, _ = readHead(c)
			fixture.Sleep(shortResponse * 3 / 8)
			reset(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var breaking []*events.Server
			for _, id := range ids(2) {
				breaking = append(breaking, server(id, fixture.Serve(t, first)))
			}
			slow := server("slow", slowOn(t, &executed))
			slow.Weight = 1 // so that the balancer usually chooses the slow server last
			f := start(t, shortTimeout, append(breaking, slow)...)
			for range 5 {
				begun := time.Now()
				f.get("/data/slow")
				if took := time.Since(begun); took > shortResponse*3/2 {
					t.Errorf("it took %v, want %v", took, shortResponse)
				}
			}
		})
	}
}

func TestTimeoutsOfSlowPathDoNotEject(t *testing.T) {
	for name, n := range map[string]int{"six requests": 6, "sixty requests": 60} {
		t.Run(name, func(t *testing.T) {
			var executed atomic.Int64
			f := start(t, shortTimeout, threeSlow(t, &executed)...)
			f.inParallel(n, "/data/slow")
			if executed.Load() != int64(n) {
				t.Errorf("%d executions of %d requests", executed.Load(), n)
			}
			if n := f.metric("rollcall_proxy_ejections_total"); n != 0 {
				t.Errorf("%v ejections, want none", n)
			}
		})
	}
}

// The proxy reports no evidence against a server that times out for some requests but responds to others.
func TestTimeoutsBesideResponsesAreNoEvidence(t *testing.T) {
	var executed atomic.Int64
	f := start(t, func(c *proxy.Config) {
		shortTimeout(c)
		c.Balancer.Policy = balancer.RoundRobin
	}, threeSlow(t, &executed)...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.inParallel(60, "/data/slow")
	}()
	fixture.Eventually(t, 5*time.Second, "all are under way", func() bool { return executed.Load() == 60 })
	answered := make(map[string]bool)
	for len(answered) < 3 {
		answered[f.get("/data/fast").header.Get("X-Served-By")] = true
	}
	<-done
	if e := f.registry.reported(); len(e) != 0 {
		t.Errorf("%d pieces of evidence, the first one %+v", len(e), e[0])
	}
}

// If a server gets only requests for a slow path, the proxy cannot tell whether the server hangs. So the proxy reports evidence and does
// not eject the server, and the registry probes the server.
func TestOnlyTimeoutsAreReported(t *testing.T) {
	hangs := fixture.Serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	f := start(t, shortTimeout, server("hangs", hangs))
	f.inParallel(5, "/data/x")
	fixture.Eventually(t, 5*time.Second, "evidence", func() bool { return len(f.registry.reported()) == 1 })
	if e := f.registry.reported()[0]; e.ID != "hangs" || e.Finding != registry.FindingSilent || time.Since(e.Began) > shortResponse {
		t.Errorf("got evidence %+v, want a current finding of silent", e)
	}
	if n := f.metric("rollcall_proxy_ejections_total"); n != 0 {
		t.Errorf("%v ejections, want none", n)
	}
}

// The timeouts of a suspect server count towards its ejection.
func TestTimeoutsEjectSuspect(t *testing.T) {
	hangs := fixture.Serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	var servers []*events.Server
	for _, id := range ids(3) {
		servers = append(servers, in(events.StateSuspect, server(id, hangs)))
	}
	f := start(t, shortTimeout, servers...)
	f.inParallel(60, "/data/x")
	if n := f.metric("rollcall_proxy_ejections_total"); n == 0 {
		t.Error("no ejections")
	}
}
