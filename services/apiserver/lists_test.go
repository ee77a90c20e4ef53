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

	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

// slowReader is a client that reads nothing of a body until it is told to.
type slowReader struct {
	*httptest.ResponseRecorder
	writing chan struct{} // capacity 1: a body is there
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

// fill registers data/blue and servers of as many services, and goes on until the mode is normal.
func (r *roll) fill(servers int) {
	r.t.Helper()
	for seq := range uint64(4) {
		at := time.Second + time.Duration(seq)*5*time.Second
		r.hear(at, beat("data", "blue", "10.0.0.7:8080", seq+1))
		for i := range servers {
			r.hear(at, beat(fmt.Sprintf("s%d", i), "one", fmt.Sprintf("10.1.%d.%d:80", i>>8, i&255), seq+1))
		}
		r.tick(at)
	}
}

// serveSlowly requests target for a client that does not read, and returns what has it read.
func (r *roll) serveSlowly(target string) (finish func() *httptest.ResponseRecorder) {
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

func TestLongListsThatNobodyReadsAreBounded(t *testing.T) {
	r := mustRoll(t, func(c *apiserver.Config) { c.ListBytes = 1 })
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
				if w.Header().Get("Retry-After") != "1" || !strings.Contains(p.Detail, "too many long lists") {
					t.Errorf("%s: Retry-After %q, detail %q", busy, w.Header().Get("Retry-After"), p.Detail)
				}
			}
			for _, short := range []string{"/v1/servers?service=data", "/v1/servers/data/blue", "/v1/status", "/readyz"} {
				if w := r.do("GET", short); w.Code != http.StatusOK {
					t.Errorf("%s: status %d, want 200: it is short", short, w.Code)
				}
			}
			if w := finish(); w.Code != http.StatusOK || w.Body.Len() == 0 {
				t.Errorf("status %d with %d bytes for the client that read late", w.Code, w.Body.Len())
			}
			if w := r.do("GET", target); w.Code != http.StatusOK {
				t.Errorf("status %d once it is read, want 200", w.Code)
			}
		})
	}
}

func TestScrapesThatNobodyReadsAreBounded(t *testing.T) {
	r := mustRoll(t)
	r.metrics.MustRegister(r.server)
	for range 10 {
		finish := r.serveSlowly("/metrics")
		defer finish()
	}
	if w := r.do("GET", "/metrics"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("status %d, want 503", w.Code)
	}
}

// stuck is a registry whose lists never end while it is closed.
type stuck struct {
	apiserver.Registry
	open chan struct{}
}

func (s stuck) List(ctx context.Context, q registry.Query, now time.Time) (*registry.Membership, error) {
	select {
	case <-s.open:
		return s.Registry.List(ctx, q, now)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A list waits for its turn, but not for long: the client may ask again.
func TestALongListWaitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustRoll(t)
		r.fill(1001)
		asked := stuck{r.registry, make(chan struct{})}
		server := r.mustServer(asked)
		codes := make(chan int, 100)
		for range cap(codes) {
			go func() { codes <- do(server, "GET", "/v1/servers").Code }()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(codes) > 0 {
			t.Errorf("%d answers after 1 s, want none yet", len(codes))
		}
		time.Sleep(1001 * time.Millisecond)
		synctest.Wait()
		refused := len(codes)
		if refused == 0 || refused == cap(codes) {
			t.Errorf("%d of %d answers after 2 s, want all but those whose turn it is", refused, cap(codes))
		}
		for range refused {
			if code := <-codes; code != http.StatusServiceUnavailable {
				t.Errorf("status %d, want 503", code)
			}
		}
		close(asked.open)
		for range cap(codes) - refused {
			if code := <-codes; code != http.StatusOK {
				t.Errorf("status %d of one whose turn it was, want 200", code)
			}
		}
	})
}
