package apiserver_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestLongPoll(t *testing.T) {
	another := func(r *harness) { r.deliver(9*time.Second, heartbeat("data", "red", "10.0.0.1:80", 1)) }
	for _, tt := range []struct {
		name, query string
		after       func(*harness) // called 3 s after the poll began; the revision is 4 until then
		status      int
		took        time.Duration
		servers     int
	}{
		{"an older index: at once", "index=3&wait=30s", nil, 200, 0, 3},
		{"index 0: at once", "index=0", nil, 200, 0, 3},
		{"a greater index, from before a restart: at once", "index=5&wait=30s", nil, 200, 0, 3},
		{"a change ends the wait", "index=4&wait=30s", another, 200, 3 * time.Second, 4},
		{"a change outside of the filter ends the wait", "index=4&zone=a", another, 200, 3 * time.Second, 1},
		{"a recovery ends the wait", "index=4&wait=30s", func(r *harness) {
			r.deliver(9*time.Second, heartbeat("web", "10.0.0.9:80", "10.0.0.9:80", 0))
		}, 200, 3 * time.Second, 3},
		{"a renewed lease does not end the wait", "index=4&wait=10s", func(r *harness) {
			green := heartbeat("data", "green", "10.0.0.8:8080", 3)
			green.Zone, green.Weight, green.Tags = "b", 0, []string{"green"}
			r.deliver(9*time.Second, green)
		}, 200, 10 * time.Second, 3},
		{"no change: the list at the end of the wait", "index=4&wait=10s", nil, 200, 10 * time.Second, 3},
		{"the default wait", "index=4", nil, 200, 30 * time.Second, 3},
		{"the longest wait", "index=4&wait=5m", nil, 200, 5 * time.Minute, 3},
		{"the registry stops", "index=4&wait=30s", func(r *harness) { r.stop() }, 503, 3 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := mustHarness(t)
				r.populate()
				if tt.after != nil {
					time.AfterFunc(3*time.Second, func() { tt.after(r) })
				}
				begun := time.Now()
				w := r.do("GET", "/v1/servers?"+tt.query)
				if took := time.Since(begun); w.Code != tt.status || took != tt.took {
					t.Errorf("status %d after %v, want %d after %v", w.Code, took, tt.status, tt.took)
				}
				if tt.status != http.StatusOK {
					mustProblem(t, w)
				} else if got := keys(t, w); len(got) != tt.servers {
					t.Errorf("got %v, want %d servers", got, tt.servers)
				}
			})
		})
	}
}

func TestLongPollWithETagEndsWith304(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.populate()
		tag := r.do("GET", "/v1/servers").Header().Get("ETag")
		begun := time.Now()
		w := r.do("GET", "/v1/servers?index=4&wait=7s", "If-None-Match", tag)
		if took := time.Since(begun); w.Code != http.StatusNotModified || took != 7*time.Second {
			t.Errorf("status %d after %v", w.Code, took)
		}
	})
}

func TestLongPollEndsWithClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.populate()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		time.AfterFunc(2*time.Second, cancel)
		begun := time.Now()
		w := httptest.NewRecorder()
		r.server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/v1/servers?index=4", nil))
		if took := time.Since(begun); took != 2*time.Second || w.Code != 499 {
			t.Errorf("status %d after %v", w.Code, took)
		}
	})
}

// idleListener accepts no connection.
type idleListener chan struct{}

func (l idleListener) Accept() (net.Conn, error) { <-l; return nil, net.ErrClosed }
func (l idleListener) Close() error              { close(l); return nil }
func (l idleListener) Addr() net.Addr            { return &net.TCPAddr{} }

func TestStopEndsLongPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		r.populate()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		ran := make(chan error, 1)
		go func() { ran <- r.server.Run(ctx, make(idleListener)) }()
		begun := time.Now()
		w := r.do("GET", "/v1/servers?index=4")
		if took := time.Since(begun); w.Code != http.StatusOK || took != 3*time.Second || len(keys(t, w)) != 3 {
			t.Errorf("status %d after %v: %s", w.Code, took, w.Body)
		}
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
