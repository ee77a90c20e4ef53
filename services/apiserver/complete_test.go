package apiserver_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/apiserver"
)

func TestListsStateWhetherTheyAreComplete(t *testing.T) {
	c := &choosing{picked: &events.Server{Service: "data", ID: "blue"}}
	r := mustHarness(t, c.configure)
	r.deliver(time.Second, heartbeat("data", "blue", "10.0.0.7:8080", 1))
	paths := []string{
		"/v1/servers", "/v1/servers?service=data&state=alive", "/v1/servers?index=0&wait=1s", "/v1/services",
		"/v1/services/data/pick", "/v1/services/data/pick?policy=p2c",
	}
	check := func(complete bool) {
		t.Helper()
		for _, path := range paths {
			var body struct{ Complete *bool }
			w := r.do("GET", path)
			mustDecode(t, w.Body.Bytes(), &body)
			if w.Code != http.StatusOK || body.Complete == nil || *body.Complete != complete {
				t.Errorf("%s: status %d and %s, want 200 and complete %v", path, w.Code, w.Body, complete)
			}
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			want := map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[complete]
			w = r.do("GET", path+separator+"complete=true")
			if w.Code != want || !complete && w.Header().Get("Retry-After") != "1" {
				t.Errorf("%s, complete: status %d, Retry-After %q, want %d", path, w.Code, w.Header().Get("Retry-After"), want)
			}
		}
	}
	check(false)
	tag := r.do("GET", "/v1/servers").Header().Get("ETag")
	if w := r.do("GET", "/v1/servers?complete=true", "If-None-Match", tag); w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d for the ETag of a list that is not complete, want 503", w.Code)
	}
	r.tick(5 * time.Second)
	check(true)
	tag = r.do("GET", "/v1/servers").Header().Get("ETag")
	if w := r.do("GET", "/v1/servers?complete=true", "If-None-Match", tag); w.Code != http.StatusNotModified {
		t.Errorf("status %d, want 304: it is the same list", w.Code)
	}
}

func TestInvalidComplete(t *testing.T) {
	r := mustHarness(t, (&choosing{picked: &events.Server{}}).configure)
	r.populate()
	for _, path := range []string{"/v1/servers", "/v1/services", "/v1/services/data/pick"} {
		for query, detail := range map[string]string{
			"?complete=false": `"complete" is not true`, "?complete=1": `"complete" is not true`, "?complete=": `"complete" is empty`,
			"?complete=true&complete=true": `"complete" is given more than once`,
		} {
			w := r.do("GET", path+query)
			if p := mustProblem(t, w); w.Code != http.StatusBadRequest || !strings.Contains(p.Detail, detail) {
				t.Errorf("%s%s: status %d, detail %q, want 400 and %q", path, query, w.Code, p.Detail, detail)
			}
		}
	}
}

func TestClientComplete(t *testing.T) {
	r := mustHarness(t, (&choosing{picked: &events.Server{Service: "data", ID: "blue"}}).configure)
	r.deliver(time.Second, heartbeat("data", "blue", "10.0.0.7:8080", 1))
	base, _ := r.mustRun()
	c := mustClient(t, base)
	for name, call := range map[string]func(complete bool) (bool, error){
		"servers": func(complete bool) (bool, error) {
			list, err := c.Servers(t.Context(), apiserver.Query{Complete: complete})
			return err == nil && list.Complete, err
		},
		"services": func(complete bool) (bool, error) {
			list, err := c.Services(t.Context(), complete)
			return err == nil && list.Complete, err
		},
		"pick": func(complete bool) (bool, error) {
			picked, err := c.Pick(t.Context(), "data", apiserver.PickQuery{Complete: complete})
			return err == nil && picked.Complete, err
		},
	} {
		if complete, err := call(false); complete || err != nil {
			t.Errorf("%s: complete %v, %v", name, complete, err)
		}
		var p *apiserver.Problem
		if _, err := call(true); !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %v, want a problem of status 503", name, err)
		}
	}
}
