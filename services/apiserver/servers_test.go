package apiserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFilters(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"", []string{"data/blue", "data/green", "web/10.0.0.9:80"}},
		{"service=data", []string{"data/blue", "data/green"}},
		{"service=nobody", []string{}},
		{"state=alive", []string{"data/blue"}},
		{"state=draining", []string{"data/green"}},
		{"state=suspect", []string{"web/10.0.0.9:80"}},
		{"zone=b", []string{"data/green"}},
		{"tag=blue", []string{"data/blue"}},
		{"tag=blue&tag=canary", []string{"data/blue"}},
		{"tag=canary&tag=green", []string{}},
		{"meta.rack=r7", []string{"data/blue"}},
		{"meta.rack=r8", []string{}},
		{"meta.rack=r7&meta.note=%3Cscript%3E%22%C3%A9%22%E2%80%A8", []string{"data/blue"}},
		{"meta.rack=r7&meta.missing=x", []string{}},
		{"service=data&zone=a&state=alive&tag=blue", []string{"data/blue"}},
	} {
		t.Run(tt.query, func(t *testing.T) {
			w := r.do("GET", "/v1/servers?"+tt.query)
			if got := keys(t, w); w.Code != http.StatusOK || !slices.Equal(got, tt.want) {
				t.Errorf("status %d, got %v, want %v", w.Code, got, tt.want)
			}
			if !strings.Contains(w.Body.String(), `"servers":[`) {
				t.Errorf("servers is not an array: %s", w.Body)
			}
		})
	}
}

func TestEmptyListWhileRegistryIsIncomplete(t *testing.T) {
	r := mustHarness(t)
	status := func(path string, want int) {
		t.Helper()
		w := r.do("GET", path)
		if w.Code != want {
			t.Errorf("%s: status %d, want %d", path, w.Code, want)
		}
		if retry := w.Header().Get("Retry-After"); want == 503 && retry != "1" {
			t.Errorf("%s: Retry-After %q", path, retry)
		}
	}
	status("/v1/servers", 503)
	status("/v1/services", 503)
	status("/v1/servers/data/blue", 404)
	status("/v1/status", 200)
	r.deliver(time.Second, heartbeat("data", "blue", "10.0.0.7:8080", 1))
	status("/v1/servers", 200)
	status("/v1/services", 200)
	status("/v1/servers?service=web", 503)
	r.tick(5 * time.Second)
	status("/v1/servers?service=web", 200)
}

func TestETag(t *testing.T) {
	r := mustHarness(t)
	r.deliver(time.Second, heartbeat("data", "blue", "10.0.0.7:8080", 1))
	tag := func(query string) string {
		t.Helper()
		return r.do("GET", "/v1/servers"+query).Header().Get("ETag")
	}
	matches := func(want int, query, known string) {
		t.Helper()
		w := r.do("GET", "/v1/servers"+query, "If-None-Match", known)
		if w.Code != want || want == http.StatusNotModified && w.Body.Len() > 0 || w.Header().Get("ETag") == "" {
			t.Errorf("%q with %s: status %d, want %d; ETag %q", query, known, w.Code, want, w.Header().Get("ETag"))
		}
	}
	warming, alive := tag(""), tag("?state=alive")
	if !strings.HasPrefix(warming, `W/"`) {
		t.Errorf("ETag %s is not weak, although ages change without it", warming)
	}
	matches(304, "", warming)
	r.tick(6 * time.Second)
	matches(200, "", warming) // the mode has changed, so the ETag has changed
	matches(200, "?state=alive", alive)

	first := tag("")
	matches(304, "", strings.TrimPrefix(first, "W/"))
	matches(304, "", `"x", `+first)
	matches(200, "", `"x"`)
	matches(200, "?zone=a", first) // the ETag belongs to a list with another filter
	r.deliver(6*time.Second, heartbeat("data", "blue", "10.0.0.7:8080", 2))
	matches(304, "", first) // renewing a lease does not change the membership
	r.deliver(6*time.Second, heartbeat("data", "green", "10.0.0.8:8080", 1))
	matches(200, "", first)

	data, zone := tag("?service=data"), tag("?zone=a")
	r.deliver(6*time.Second, heartbeat("web", "red", "10.0.0.9:8080", 1))
	matches(304, "?service=data", data) // a server that is not selected has registered
	matches(304, "?zone=a", zone)
	matches(200, "?service=web", data)
	r.deliver(6*time.Second, heartbeat("data", "red", "10.0.0.9:8081", 1))
	matches(200, "?service=data", data)
	matches(304, "?zone=a", zone)

	if a, b := tag("?tag=a&zone=z"), tag("?zone=z&tag=a"); a != b {
		t.Errorf("different tags for the same filter: %s and %s", a, b)
	}
	restarted := r.mustServer(r.registry)
	if again := do(restarted, "GET", "/v1/servers").Header().Get("ETag"); again == tag("") {
		t.Errorf("tag %s is the same after a restart", again)
	}
}

func TestIDsWithSpecialCharacters(t *testing.T) {
	r := mustHarness(t)
	base, _ := r.mustRun()
	c := mustClient(t, base)
	for i, id := range []string{"10.0.0.7:8080", "[::1]:80", "a/b", "..", ".", "a b", "a%2Fb", "ä?#", "a//b", "+"} {
		r.deliver(time.Second, heartbeat("data", id, "10.0.0.7:"+string(rune('1'+i)), 1))
		got, err := c.Server(t.Context(), "data", id)
		if err != nil || got.Server.ID != id {
			t.Errorf("%q: got %+v, %v", id, got, err)
		}
	}
	if w := r.do("GET", "/v1/servers/data/a%2Fb"); w.Code != http.StatusOK {
		t.Errorf("escaped slash: status %d", w.Code)
	}
}

func TestEmptyListWhileNotReady(t *testing.T) {
	r := mustHarness(t)
	r.tick(5 * time.Second) // completes the registry
	for _, path := range []string{"/v1/servers", "/v1/services"} {
		r.ready = nil
		if w := r.do("GET", path); w.Code != http.StatusOK {
			t.Errorf("%s: status %d while ready, want 200", path, w.Code)
		}
		r.ready = errNoNSQD
		w := r.do("GET", path)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: status %d, Retry-After %q, want 503 with Retry-After", path, w.Code, w.Header().Get("Retry-After"))
		}
	}
}
