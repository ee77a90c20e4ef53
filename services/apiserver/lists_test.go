package apiserver_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// While clients have not read the long lists of the API server, an equal list is shared, other long lists get a 503 after 2 s, and short lists
// have no limit.
func TestMemoryOfLongListsIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t, func(c *apiserver.Config) { c.ListBytes = 1 })
		r.fill(1001)
		long := []string{"/v1/servers", "/v1/servers?state=alive", "/v1/services", "/v1/prometheus/targets"}
		for _, target := range long {
			finish := r.serveSlowly(target)
			if w := r.do("GET", target); w.Code != http.StatusOK {
				t.Errorf("%s: status %d for the list that a slow client has, want 200", target, w.Code)
			}
			for _, busy := range long {
				if busy == target {
					continue
				}
				begun := time.Now()
				w := r.do("GET", busy)
				if w.Code != http.StatusServiceUnavailable || time.Since(begun) != 2*time.Second {
					t.Errorf("%s beside %s: status %d after %v, want 503 after 2s", busy, target, w.Code, time.Since(begun))
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
				t.Errorf("%s: status %d with %d bytes for the slow client", target, w.Code, w.Body.Len())
			}
		}
	})
}

// A request for a long list that waits for memory gets the current list when a slow client has read its list.
func TestLongListWaitsForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t, func(c *apiserver.Config) { c.ListBytes = 1 })
		r.fill(1001)
		finish := r.serveSlowly("/v1/services")
		response := make(chan *httptest.ResponseRecorder, 1)
		go func() { response <- r.do("GET", "/v1/servers") }()
		time.Sleep(time.Second)
		r.deliver(17*time.Second, heartbeat("data", "red", "10.0.0.9:8080", 1))
		finish()
		w := <-response
		if w.Code != http.StatusOK {
			t.Fatalf("status %d, want 200", w.Code)
		}
		if got := len(keys(t, w)); got != 1003 {
			t.Errorf("%d servers, want 1003, because one registered during the wait", got)
		}
	})
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

// stuck is a registry whose method Vitals blocks until the channel stuck.open is closed.
type stuck struct {
	apiserver.Registry
	open  chan struct{}
	calls atomic.Int64 // calls of Vitals
}

func (s *stuck) Vitals(ctx context.Context, blocks []*registry.Block, now time.Time, into []registry.Vitals) ([]registry.Vitals, error) {
	s.calls.Add(1)
	select {
	case <-s.open:
		return s.Registry.Vitals(ctx, blocks, now, into)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// mustStuck returns a harness that has enough servers for a long list, and an API server that reads their vitals through blocked.
func mustStuck(t *testing.T) (r *harness, blocked *stuck, server *apiserver.Server) {
	t.Helper()
	r = mustHarness(t)
	r.fill(1001)
	blocked = &stuck{Registry: r.registry, open: make(chan struct{})}
	return r, blocked, r.mustServer(blocked)
}

// While 64 requests for long lists are served, 512 wait for 2 s at most. Further ones get a 503 at once.
func TestConcurrentLongListsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, blocked, server := mustStuck(t)
		request := func(n int, target string) <-chan int {
			codes := make(chan int, n)
			for range n {
				go func() { codes <- do(server, "GET", target).Code }()
			}
			synctest.Wait()
			return codes
		}
		want := func(codes <-chan int, want int) {
			t.Helper()
			for range cap(codes) {
				if code := <-codes; code != want {
					t.Errorf("status %d, want %d", code, want)
				}
			}
		}
		served, begun := request(64, "/v1/servers"), time.Now()
		waiting := request(511, "/v1/servers?state=alive")
		time.Sleep(time.Second)
		late := request(1, "/v1/servers?state=alive")
		w := do(server, "GET", "/v1/servers?state=alive")
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || time.Since(begun) != time.Second {
			t.Errorf("status %d after %v, want 503 at once", w.Code, time.Since(begun))
		}
		if w := do(server, "GET", "/v1/servers?service=nobody"); w.Code != http.StatusOK {
			t.Errorf("status %d of a short list, want 200", w.Code)
		}
		want(waiting, http.StatusServiceUnavailable)
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("requests waited for %v, want 2s", took)
		}
		close(blocked.open)
		want(served, http.StatusOK)
		want(late, http.StatusOK)
		if calls := blocked.calls.Load(); calls != 2 {
			t.Errorf("the requests for two lists read the vitals %d times, want twice", calls)
		}
	})
}

// A request that has waited for other long lists gets the list of the time when it is served, not of the time when it began.
func TestLongListIsCurrentAfterAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, blocked, server := mustStuck(t)
		for range 64 {
			go do(server, "GET", "/v1/servers")
		}
		synctest.Wait()
		body := make(chan []byte, 1)
		go func() { body <- do(server, "GET", "/v1/servers?state=alive").Body.Bytes() }()
		synctest.Wait()
		r.deliver(17*time.Second, heartbeat("data", "red", "10.0.0.9:8080", 1))
		r.now.Store(int64(17 * time.Second))
		close(blocked.open)
		var list apiserver.ServerList
		mustDecode(t, <-body, &list)
		if want := start().Add(17 * time.Second); len(list.Servers) != 1003 || !list.Time.Equal(want) {
			t.Errorf("%d servers at %v, want 1003 at %v", len(list.Servers), list.Time, want)
		}
	})
}

// The client that makes other clients wait for its list may go away.
func TestSharedListSurvivesItsFirstClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, blocked, server := mustStuck(t)
		ctx, leave := context.WithCancel(t.Context())
		first, second := make(chan struct{}), make(chan int, 1)
		go func() {
			defer close(first)
			server.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/v1/servers", nil))
		}()
		synctest.Wait()
		go func() { second <- do(server, "GET", "/v1/servers").Code }()
		synctest.Wait()
		leave()
		close(blocked.open)
		<-first
		if code := <-second; code != http.StatusOK {
			t.Errorf("status %d, want 200", code)
		}
	})
}

// A list is shared for a tick, and no longer than the membership stays the same.
func TestListIsSharedForATick(t *testing.T) {
	r := mustHarness(t)
	r.tick(6 * time.Second)
	r.deliver(6*time.Second, heartbeat("data", "blue", "10.0.0.7:8080", 1))
	seq := func(target string) (all []uint64) {
		t.Helper()
		var list apiserver.ServerList
		mustDecode(t, r.do("GET", target).Body.Bytes(), &list)
		for _, s := range list.Servers {
			all = append(all, s.Seq)
		}
		return all
	}
	want := func(target string, want ...uint64) {
		t.Helper()
		if got := seq(target); !slices.Equal(got, want) {
			t.Errorf("%s: seq %v, want %v", target, got, want)
		}
	}
	want("/v1/servers", 1)
	r.deliver(6*time.Second, heartbeat("data", "blue", "10.0.0.7:8080", 2))
	want("/v1/servers", 1)
	want("/v1/servers?service=data", 2)
	r.tick(6250 * time.Millisecond)
	want("/v1/servers", 2)
	r.deliver(6250*time.Millisecond, heartbeat("data", "green", "10.0.0.8:8080", 7))
	want("/v1/servers", 2, 7)
}

// deadlined is the ResponseWriter of a client that takes time to read each piece of a list.
type deadlined struct {
	*httptest.ResponseRecorder
	pauses []time.Duration // for each piece; the last one is for all further pieces
	until  time.Time
}

func (d *deadlined) SetWriteDeadline(t time.Time) error {
	d.until = t
	return nil
}

func (d *deadlined) Write(b []byte) (int, error) {
	time.Sleep(min(d.pauses[0], time.Until(d.until)))
	if !time.Now().Before(d.until) {
		return 0, os.ErrDeadlineExceeded
	}
	if len(d.pauses) > 1 {
		d.pauses = d.pauses[1:]
	}
	return d.ResponseRecorder.Write(b)
}

func TestSlowReadersOfLongLists(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pauses []time.Duration
		whole  bool
	}{
		{"fast", []time.Duration{0}, true},
		{"one piece takes 9 s", []time.Duration{9 * time.Second, 0}, true},
		{"one piece takes 10 s", []time.Duration{10 * time.Second, 0}, false},
		{"the list takes 28 s", []time.Duration{7 * time.Second}, true},
		{"the list takes 32 s", []time.Duration{8 * time.Second}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := mustHarness(t)
				r.fill(1400) // four pieces
				w := &deadlined{httptest.NewRecorder(), tt.pauses, time.Time{}}
				r.server.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/v1/servers", nil))
				length, err := strconv.Atoi(w.Header().Get("Content-Length"))
				if err != nil || length < 3*128<<10 || length > 4*128<<10 {
					t.Fatalf("Content-Length %q", w.Header().Get("Content-Length"))
				}
				if whole := w.Body.Len() == length; whole != tt.whole {
					t.Errorf("the client got %d of %d bytes", w.Body.Len(), length)
				}
			})
		})
	}
}

// A client that does not read does not keep other clients from reading.
func TestSlowReaderKeepsNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.fill(1001)
		for range 2 * runtime.GOMAXPROCS(0) {
			finish := r.serveSlowly("/v1/servers")
			defer finish()
		}
		begun := time.Now()
		if w := r.do("GET", "/v1/servers"); w.Code != http.StatusOK || time.Since(begun) > 100*time.Millisecond {
			t.Errorf("status %d after %v", w.Code, time.Since(begun))
		}
	})
}
