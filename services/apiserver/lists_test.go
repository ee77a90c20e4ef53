package apiserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

// slowReader is the ResponseWriter of a client that reads no body until the test closes the channel slowReader.read.
type slowReader struct {
	*httptest.ResponseRecorder
	writing chan struct{} // Write sends a value to this channel (capacity 1) before it waits until the client reads
	read    chan struct{}
}

func newSlowReader() *slowReader {
	return &slowReader{httptest.NewRecorder(), make(chan struct{}, 1), make(chan struct{})}
}

func (r *slowReader) Write(b []byte) (int, error) {
	select {
	case r.writing <- struct{}{}:
	default:
	}
	<-r.read
	return r.ResponseRecorder.Write(b)
}

// fill registers data/blue and the given number of servers, each in a service of its own, and ticks until the mode is normal.
func (r *harness) fill(servers int) {
	r.t.Helper()
	for seq := range uint64(4) {
		at := time.Second + time.Duration(seq)*5*time.Second
		r.deliver(at, heartbeat("data", "blue", "10.0.0.7:8080", seq+1))
		for i := range servers {
			r.deliver(at, heartbeat(fmt.Sprintf("s%d", i), "one", fmt.Sprintf("10.1.%d.%d:80", i>>8, i&255), seq+1))
		}
		r.tick(at)
	}
}

// serveSlowly requests target for a client that does not read. It returns a function that makes the client read and that returns the
// response.
func (r *harness) serveSlowly(target string) (finish func() *httptest.ResponseRecorder) {
	r.t.Helper()
	slow, served := newSlowReader(), make(chan struct{})
	go func() {
		defer close(served)
		r.server.Handler().ServeHTTP(slow, httptest.NewRequest("GET", target, nil))
	}()
	<-slow.writing
	return func() *httptest.ResponseRecorder {
		close(slow.read)
		<-served
		return slow.ResponseRecorder
	}
}

func TestMemoryOfLongListsIsLimited(t *testing.T) {
	r := mustHarness(t, func(c *apiserver.Config) { c.ListBytes = 1 })
	r.fill(1001)
	for _, target := range []string{"/v1/servers", "/v1/servers?state=alive", "/v1/services", "/v1/prometheus/targets"} {
		t.Run(target, func(t *testing.T) {
			finish := r.serveSlowly(target)
			for _, busy := range []string{"/v1/servers", "/v1/services", "/v1/prometheus/targets"} {
				w := r.do("GET", busy)
				if w.Code != http.StatusServiceUnavailable {
					t.Errorf("%s: status %d, want 503", busy, w.Code)
					continue
				}
				p := mustProblem(t, w)
				if w.Header().Get("Retry-After") != "1" || !strings.Contains(p.Detail, "too many long responses") {
					t.Errorf("%s: Retry-After %q, detail %q", busy, w.Header().Get("Retry-After"), p.Detail)
				}
			}
			for _, short := range []string{"/v1/servers?service=data", "/v1/servers/data/blue", "/v1/status", "/readyz"} {
				if w := r.do("GET", short); w.Code != http.StatusOK {
					t.Errorf("%s: status %d, want 200, because it is not a long list", short, w.Code)
				}
			}
			if w := finish(); w.Code != http.StatusOK || w.Body.Len() == 0 {
				t.Errorf("status %d with %d bytes for the slow client", w.Code, w.Body.Len())
			}
			if w := r.do("GET", target); w.Code != http.StatusOK {
				t.Errorf("status %d after the slow client has read, want 200", w.Code)
			}
		})
	}
}

func TestConcurrentScrapesAreLimited(t *testing.T) {
	r := mustHarness(t)
	r.metrics.MustRegister(r.server)
	for range 10 {
		finish := r.serveSlowly("/metrics")
		defer finish()
	}
	if w := r.do("GET", "/metrics"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("status %d, want 503", w.Code)
	}
}

// stuck is a registry whose method List blocks until the channel stuck.open is closed.
type stuck struct {
	apiserver.Registry
	open chan struct{}
}

func (s stuck) List(ctx context.Context, q registry.Query, now time.Time) (*registry.Membership, []*events.Server, error) {
	select {
	case <-s.open:
		return s.Registry.List(ctx, q, now)
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// A request for a long list waits at most 2 s for its turn to be encoded. Then it gets a 503.
func TestLongListWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.fill(1001)
		blocked := stuck{r.registry, make(chan struct{})}
		server := r.mustServer(blocked)
		codes := make(chan int, 100)
		for range cap(codes) {
			go func() { codes <- do(server, "GET", "/v1/servers").Code }()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(codes) > 0 {
			t.Errorf("%d responses after 1 s, want none", len(codes))
		}
		time.Sleep(1001 * time.Millisecond)
		synctest.Wait()
		rejected := len(codes)
		if rejected == 0 || rejected == cap(codes) {
			t.Errorf("%d of %d responses after 2 s, want all except those being encoded", rejected, cap(codes))
		}
		for range rejected {
			if code := <-codes; code != http.StatusServiceUnavailable {
				t.Errorf("status %d, want 503", code)
			}
		}
		close(blocked.open)
		for range cap(codes) - rejected {
			if code := <-codes; code != http.StatusOK {
				t.Errorf("status %d of a list that was being encoded, want 200", code)
			}
		}
	})
}
