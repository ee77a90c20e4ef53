package apiserver_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

var errNoNSQD = errors.New("no nsqd is connected")

func TestErrors(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	for _, tt := range []struct {
		name, method, target string
		status               int
		detail               string // part of the problem's detail
	}{
		{"unknown path", "GET", "/v1/server", 404, "no such path"},
		{"root", "GET", "/", 404, "no such path"},
		{"trailing slash", "GET", "/v1/servers/", 404, "no such path"},
		{"unclean path is no redirect", "GET", "/v1/../v1/servers", 404, "no such path"},
		{"double slash is no redirect", "GET", "//v1/servers", 404, "no such path"},
		{"unescaped slash in an id", "GET", "/v1/servers/data/a/b", 404, "no such path"},
		{"unknown path, other method", "POST", "/v1/server", 404, "no such path"},
		{"post to the list", "POST", "/v1/servers", 405, "read-only"},
		{"delete of a server", "DELETE", "/v1/servers/data/blue", 405, "read-only"},
		{"put to services", "PUT", "/v1/services", 405, "read-only"},
		{"options", "OPTIONS", "/v1/status", 405, "read-only"},
		{"post to metrics", "POST", "/metrics", 405, "read-only"},
		{"post to livez", "POST", "/livez", 405, "read-only"},
		{"unknown server", "GET", "/v1/servers/data/nobody", 404, "data/nobody: never registered"},
		{"unknown parameter", "GET", "/v1/servers?servce=data", 400, `"servce" is unknown`},
		{"bad service", "GET", "/v1/servers?service=../x", 400, `"service"`},
		{"bad state", "GET", "/v1/servers?state=dead", 400, `"state" is not one of`},
		{"empty zone", "GET", "/v1/servers?zone=", 400, `"zone" is empty`},
		{"empty among tags", "GET", "/v1/servers?tag=a&tag=", 400, `"tag" is empty`},
		{"zone twice", "GET", "/v1/servers?zone=a&zone=b", 400, `"zone" is given more than once`},
		{"meta without a key", "GET", "/v1/servers?meta.=x", 400, `"meta." is unknown`},
		{"meta key twice", "GET", "/v1/servers?meta.a=x&meta.a=y", 400, `"meta.a"`},
		{"index no number", "GET", "/v1/servers?index=x", 400, `"index"`},
		{"index negative", "GET", "/v1/servers?index=-1", 400, `"index"`},
		{"index too large", "GET", "/v1/servers?index=18446744073709551616", 400, `"index"`},
		{"wait without unit", "GET", "/v1/servers?index=1&wait=30", 400, `"wait"`},
		{"wait of zero", "GET", "/v1/servers?index=1&wait=0s", 400, `"wait"`},
		{"wait negative", "GET", "/v1/servers?index=1&wait=-1s", 400, `"wait"`},
		{"wait beyond 5m", "GET", "/v1/servers?index=1&wait=5m0.1s", 400, `"wait"`},
		{"wait without index", "GET", "/v1/servers?wait=1s", 400, `"wait" requires index`},
		{"unknown field", "GET", "/v1/servers?fields=addr,address", 400, `"fields" has "address"`},
		{"empty field", "GET", "/v1/servers?fields=addr,", 400, `"fields" has ""`},
		{"limit no number", "GET", "/v1/servers?limit=many", 400, `"limit" is not a whole number above 0`},
		{"limit of zero", "GET", "/v1/servers?limit=0", 400, `"limit" is not a whole number above 0`},
		{"after without id", "GET", "/v1/servers?after=data/", 400, `"after" is not SERVICE/ID`},
		{"after without slash", "GET", "/v1/servers?after=data", 400, `"after" is not SERVICE/ID`},
		{"limit of services", "GET", "/v1/services?limit=1", 400, `"limit" is not supported`},
		{"broken escape", "GET", "/v1/servers?zone=%zz", 400, "is not a valid query"},
		{"parameter to explain", "GET", "/v1/servers/data/blue?verbose=1", 400, `"verbose" is unknown`},
		{"parameter to services", "GET", "/v1/services?zone=a", 400, `"zone" is unknown`},
		{"parameter to status", "GET", "/v1/status?x", 400, `"x" is unknown`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := r.do(tt.method, tt.target)
			p := mustProblem(t, w)
			if w.Code != tt.status || !strings.Contains(p.Detail, tt.detail) {
				t.Errorf("status %d, detail %q, want %d and %q", w.Code, p.Detail, tt.status, tt.detail)
			}
			if allow := w.Header().Get("Allow"); tt.status == 405 && allow != "GET, HEAD" {
				t.Errorf("Allow is %q", allow)
			}
		})
	}
}

func TestEndOfRemovedServer(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	r.tick(22 * time.Second)
	w := r.do("GET", "/v1/servers/web/10.0.0.9:80")
	if p := mustProblem(t, w); w.Code != http.StatusNotFound || !strings.Contains(p.Detail, "rollcall.server.expired (ttl)") {
		t.Errorf("status %d, detail %q", w.Code, p.Detail)
	}
}

func TestStoppedRegistry(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	r.stop()
	for _, path := range []string{"/v1/servers", "/v1/servers?index=3", "/v1/servers/data/blue", "/v1/services", "/v1/status", "/v1/prometheus/targets"} {
		w := r.do("GET", path)
		mustProblem(t, w)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: status %d, Retry-After %q", path, w.Code, w.Header().Get("Retry-After"))
		}
	}
}

// Requests do not wait forever for a registry whose goroutine is blocked.
func TestBlockedRegistry(t *testing.T) {
	for path, within := range map[string]time.Duration{
		"/v1/servers":                  5 * time.Second,
		"/v1/servers?index=1&wait=10s": 15 * time.Second,
		"/v1/servers/data/blue":        5 * time.Second,
		"/v1/services":                 5 * time.Second,
		"/v1/status":                   5 * time.Second,
		"/v1/prometheus/targets":       5 * time.Second,
		"/livez":                       time.Second,
		"/readyz":                      time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			hung, err := registry.New(registry.Config{Observer: "api-1"}) // Run is never called, so this registry does not respond
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			w := do(mustHarness(t).mustServer(hung), "GET", path)
			if p := mustProblem(t, w); w.Code != 503 || p.Detail != "the registry did not respond in time" {
				t.Errorf("%s: status %d, detail %q", path, w.Code, p.Detail)
			}
			if took := time.Since(begun); took != within {
				t.Errorf("%s: took %v, want %v", path, took, within)
			}
		})
	}
}

// broken is a registry that returns unknown errors.
type broken struct{ apiserver.Registry }

func (broken) Members(context.Context) (*registry.Membership, error) {
	return nil, errors.New("internal secret")
}

func (broken) Vitals(context.Context, []*registry.Block, time.Time, []registry.Vitals) ([]registry.Vitals, error) {
	return nil, errors.New("internal secret")
}

func TestUnknownErrorIs500WithoutDetails(t *testing.T) {
	w := do(mustHarness(t).mustServer(broken{}), "GET", "/v1/servers")
	if p := mustProblem(t, w); w.Code != 500 || strings.Contains(p.Detail, "secret") {
		t.Errorf("status %d, detail %q", w.Code, p.Detail)
	}
}

func TestBodies(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	const limit = 64 << 10
	for _, tt := range []struct {
		name    string
		size    int
		chunked bool
		status  int
	}{
		{"at the limit", limit, false, 200},
		{"over the limit", limit + 1, false, 413},
		{"chunked, at the limit", limit, true, 200},
		{"chunked, over the limit", limit + 1, true, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest("GET", "/v1/status", strings.NewReader(strings.Repeat("x", tt.size)))
			if tt.chunked {
				req.ContentLength = -1
			}
			w := httptest.NewRecorder()
			r.server.Handler().ServeHTTP(w, req)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if tt.status == 413 {
				mustProblem(t, w)
			}
		})
	}
}

// unread fails the test when it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("a body was read although its Content-Length is too large")
	return 0, io.EOF
}

func TestBodyWithLargeContentLengthIsNotRead(t *testing.T) {
	req := httptest.NewRequest("GET", "/v1/status", unread{t})
	req.ContentLength = 1 << 30
	w := httptest.NewRecorder()
	mustHarness(t).server.Handler().ServeHTTP(w, req)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", w.Code)
	}
}

func TestConfigErrorNamesTheField(t *testing.T) {
	_, err := apiserver.New(apiserver.Config{})
	for _, field := range []string{"registry", "id", "gatherer"} {
		if err == nil || !strings.Contains(err.Error(), "apiserver: "+field+" is") {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}
