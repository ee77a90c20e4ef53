package apiserver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

// choosing implements Config.Pick: it records the arguments, and returns choosing.picked and choosing.err.
type choosing struct {
	service, policy, key string
	picked               *events.Server
	err                  error
}

func (c *choosing) pick(_ context.Context, service, policy, key string) (*events.Server, error) {
	c.service, c.policy, c.key = service, policy, key
	return c.picked, c.err
}

func (c *choosing) configure(cfg *apiserver.Config) { cfg.Pick = c.pick }

func TestPickReturnsCurrentState(t *testing.T) {
	// Config.Pick returns a server with an old age and without a seq. The response must have the current age and seq.
	blue := &choosing{picked: &events.Server{Service: "data", ID: "blue", AgeMS: 12345}}
	r := mustHarness(t, blue.configure)
	r.populate()
	for _, tt := range []struct{ query, policy, key string }{
		{"", "", ""},
		{"?policy=leastload", "leastload", ""},
		{"?key=user+7&policy=hash", "hash", "user 7"},
		{"?key=a%26b", "", "a&b"}, // a key without a policy is valid, because the policy that is configured for the service may be hash
	} {
		w := r.do("GET", "/v1/services/data/pick"+tt.query)
		var got events.Server
		mustDecode(t, w.Body.Bytes(), &got)
		if w.Code != http.StatusOK || got.ID != "blue" || got.State != events.StateAlive || got.Seq != 2 || got.AgeMS != 2502 {
			t.Errorf("%q: status %d, got %+v, want blue with its current age and seq", tt.query, w.Code, got)
		}
		if blue.service != "data" || blue.policy != tt.policy || blue.key != tt.key {
			t.Errorf("%q: called with %+v, want policy %q and key %q", tt.query, blue, tt.policy, tt.key)
		}
		if c := w.Header().Get("Cache-Control"); c != "no-cache" {
			t.Errorf("Cache-Control %q", c)
		}
	}
	// The chosen server can be removed before the response is sent.
	blue.picked = &events.Server{Service: "data", ID: "gone", Addr: "10.0.0.1:80", State: events.StateAlive, Tags: []string{}}
	var got events.Server
	w := r.do("GET", "/v1/services/data/pick")
	if mustDecode(t, w.Body.Bytes(), &got); w.Code != http.StatusOK || got.Addr != "10.0.0.1:80" {
		t.Errorf("status %d, got %+v, want the chosen server", w.Code, got)
	}
}

func TestPickErrors(t *testing.T) {
	for _, tt := range []struct {
		name, method, target string
		err                  error // error that Config.Pick returns
		status               int
		detail               string
	}{
		{"bad service", "GET", "/v1/services/Data/pick", nil, 400, `parameter "service" is not a service name: want a DNS label in lower case`},
		{"empty policy", "GET", "/v1/services/data/pick?policy=", nil, 400, `parameter "policy" is empty`},
		{"policy twice", "GET", "/v1/services/data/pick?policy=p2c&policy=hash", nil, 400, `parameter "policy" is given more than once`},
		{"unknown policy", "GET", "/v1/services/data/pick?policy=best", fmt.Errorf("%w: want p2c or hash", apiserver.ErrPolicy), 400,
			`parameter "policy": no such policy: want p2c or hash`},
		{"empty key", "GET", "/v1/services/data/pick?key=", nil, 400, `parameter "key" is empty`},
		{"hash without a key", "GET", "/v1/services/data/pick?policy=hash", nil, 400, `parameter "key" is missing: the policy hash requires it`},
		{"unknown parameter", "GET", "/v1/services/data/pick?zone=a", nil, 400, `parameter "zone" is unknown`},
		{"broken escape", "GET", "/v1/services/data/pick?key=%zz", nil, 400, `parameter "key=%zz" is not a valid query: invalid URL escape "%zz"`},
		{"post", "POST", "/v1/services/data/pick", nil, 405, "the API is read-only: use GET or HEAD"},
		{"a path below", "GET", "/v1/services/data/pick/1", nil, 404, "no such path"},
		{"no live server", "GET", "/v1/services/data/pick", apiserver.ErrNoServer, 503, "no live server of service data"},
		{"unknown service", "GET", "/v1/services/other/pick", fmt.Errorf("balance: %w", apiserver.ErrNoServer), 503, "no live server of service other"},
		{"another error", "GET", "/v1/services/data/pick", errors.New("internal secret"), 500, "internal error; the log of the API server has the details"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &choosing{err: tt.err, picked: &events.Server{}}
			r := mustHarness(t, c.configure)
			r.populate()
			w := r.do(tt.method, tt.target)
			if p := mustProblem(t, w); w.Code != tt.status || p.Detail != tt.detail {
				t.Errorf("status %d, detail %q, want %d and %q", w.Code, p.Detail, tt.status, tt.detail)
			}
			if retry := w.Header().Get("Retry-After"); (retry != "") != (tt.status == 503) {
				t.Errorf("status %d with Retry-After %q", w.Code, retry)
			}
			if tt.err == nil && c.service != "" {
				t.Errorf("Pick was called: %+v", c)
			}
		})
	}
}

func TestPickWithoutConfig(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	if w := r.do("GET", "/v1/services/data/pick"); w.Code != http.StatusNotFound {
		t.Errorf("status %d, want 404", w.Code)
	}
}

// While servers may be missing, the problem says so instead of "no live server".
func TestPickWhileRegistryIsIncomplete(t *testing.T) {
	r := mustHarness(t, (&choosing{err: apiserver.ErrNoServer}).configure)
	check := func(service, want string) {
		t.Helper()
		w := r.do("GET", "/v1/services/"+service+"/pick")
		if p := mustProblem(t, w); w.Code != http.StatusServiceUnavailable || !strings.HasPrefix(p.Detail, want) || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: status %d, detail %q, want 503 and %q", service, w.Code, p.Detail, want)
		}
	}
	check("data", "not ready: the registry is not complete")
	r.deliver(time.Second, heartbeat("web", "a", "10.0.0.9:80", 1)) // one heartbeat does not complete the registry
	check("data", "not ready: the registry is not complete")
	check("web", "no live server of service web") // the service "web" has a server, but Config.Pick chose none
	r.tick(5 * time.Second)
	check("data", "no live server of service data")
	r.silent = true
	r.tick(time.Minute)
	check("data", "not ready: no message arrives through any nsqd")
}

func TestPickWithBlockedRegistry(t *testing.T) {
	for name, c := range map[string]*choosing{
		"a server":  {picked: &events.Server{Service: "data", ID: "blue"}},
		"no server": {err: apiserver.ErrNoServer},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hung, err := registry.New(registry.Config{Observer: "api-1"}) // Run is never called, so this registry does not respond
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				w := do(mustHarness(t).mustServer(hung, c.configure), "GET", "/v1/services/data/pick")
				if p := mustProblem(t, w); w.Code != 503 || p.Detail != "the registry did not respond in time" || time.Since(begun) != 5*time.Second {
					t.Errorf("status %d, detail %q after %v", w.Code, p.Detail, time.Since(begun))
				}
			})
		})
	}
}

func TestClientPick(t *testing.T) {
	c := &choosing{picked: &events.Server{Service: "data", ID: "blue"}}
	r := mustHarness(t, c.configure)
	r.populate()
	base, _ := r.mustRun()
	client := mustClient(t, base)
	got, err := client.Pick(t.Context(), "data", apiserver.PickQuery{Policy: "hash", Key: "a&b c"})
	if err != nil || got.ID != "blue" || got.Addr != "10.0.0.7:8080" || got.Load == nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if c.service != "data" || c.policy != "hash" || c.key != "a&b c" {
		t.Errorf("called with %+v", c)
	}
	if _, err := client.Pick(t.Context(), "data", apiserver.PickQuery{}); err != nil || c.policy != "" || c.key != "" {
		t.Errorf("called with %+v, %v", c, err)
	}
	var p *apiserver.Problem
	if _, err := client.Pick(t.Context(), "a/../b", apiserver.PickQuery{}); !errors.As(err, &p) || p.Status != 400 || !strings.Contains(p.Detail, "service") {
		t.Errorf("bad service: %v", err)
	}
}
