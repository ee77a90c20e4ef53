package apiserver_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/events"
)

const targetsPath = "/v1/prometheus/targets"

// settle calls populate and ticks until the mode is normal: blue is alive, green draining, 10.0.0.9:80 suspect.
func (r *harness) settle() {
	r.t.Helper()
	r.populate()
	bare := heartbeat("web", "10.0.0.9:80", "10.0.0.9:80", 0)
	bare.Incarnation = 0
	r.deliver(8600*time.Millisecond, bare)
	for _, id := range []string{"blue", "green"} {
		r.renew(13*time.Second, id)
	}
	r.tick(16 * time.Second)
}

// renew delivers the next heartbeat of a server that populate registered. The content stays the same.
func (r *harness) renew(after time.Duration, id string) {
	r.t.Helper()
	e, err := r.registry.Explain(r.t.Context(), "data", id, start())
	if err != nil {
		r.t.Fatal(err)
	}
	s := e.Server
	h := heartbeat(s.Service, s.ID, s.Addr, s.Seq+1)
	h.Weight, h.Zone, h.Version, h.Tags, h.Meta = s.Weight, s.Zone, s.Version, s.Tags, s.Meta
	r.deliver(after, h)
}

type target struct {
	Targets []string
	Labels  map[string]string
}

func mustTargets(t *testing.T, r *harness, query string) []target {
	t.Helper()
	w := r.do("GET", targetsPath+query)
	if w.Code != http.StatusOK {
		t.Fatalf("%q: status %d: %s", query, w.Code, w.Body)
	}
	var list []target
	mustDecode(t, w.Body.Bytes(), &list)
	return list
}

func TestGoldenTargets(t *testing.T) {
	r := mustHarness(t)
	r.settle()
	w := r.do("GET", targetsPath)
	if got := w.Header()["Content-Type"]; !slices.Equal(got, []string{"application/json"}) {
		t.Errorf("content type %q, want application/json, which Prometheus requires", got)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, w.Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	mustGolden(t, "targets.json", pretty.Bytes())
}

func TestTargetsFilter(t *testing.T) {
	r := mustHarness(t)
	r.settle()
	for query, want := range map[string][]string{
		"":                                {"10.0.0.7:8080", "10.0.0.8:8080", "10.0.0.9:80"},
		"?service=data":                   {"10.0.0.7:8080", "10.0.0.8:8080"},
		"?state=suspect":                  {"10.0.0.9:80"},
		"?zone=b":                         {"10.0.0.8:8080"},
		"?tag=blue&tag=canary":            {"10.0.0.7:8080"},
		"?meta.rack=r7&service=data":      {"10.0.0.7:8080"},
		"?service=data&state=alive&tag=x": nil,
	} {
		var got []string
		for _, group := range mustTargets(t, r, query) {
			got = append(got, group.Targets...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", query, got, want)
		}
	}
	if w := r.do("GET", targetsPath+"?service=nobody"); w.Body.String() != "[]\n" {
		t.Errorf("unknown service: got %q, want []", w.Body)
	}
}

func TestTargetsErrors(t *testing.T) {
	r := mustHarness(t)
	r.settle()
	for _, tt := range []struct {
		name, method, query string
		status              int
		detail              string
	}{
		{"index", "GET", "?index=1", 400, `parameter "index" is not supported: this list has no long poll`},
		{"fields", "GET", "?fields=addr", 400, `parameter "fields" is not supported: this list has no pages and no choice of fields`},
		{"limit", "GET", "?limit=1", 400, `parameter "limit" is not supported: this list has no pages and no choice of fields`},
		{"after", "GET", "?after=data/blue", 400, `parameter "after" is not supported: this list has no pages and no choice of fields`},
		{"wait", "GET", "?wait=1s", 400, `parameter "wait" is not supported: this list has no long poll`},
		{"unknown parameter", "GET", "?sevice=data", 400, `parameter "sevice" is unknown`},
		{"bad state", "GET", "?state=dead", 400, `parameter "state" is not one of [alive suspect draining]`},
		{"broken escape", "GET", "?zone=%zz", 400, `parameter "zone=%zz" is not a valid query: invalid URL escape "%zz"`},
		{"post", "POST", "", 405, "the API is read-only: use GET or HEAD"},
		{"a path below", "GET", "/1", 404, "no such path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := r.do(tt.method, targetsPath+tt.query)
			if p := mustProblem(t, w); w.Code != tt.status || p.Detail != tt.detail {
				t.Errorf("status %d, detail %q, want %d and %q", w.Code, p.Detail, tt.status, tt.detail)
			}
		})
	}
}

// While servers may be missing, the response is a 503, so that Prometheus keeps its targets.
func TestTargetsWhileServersMayBeMissing(t *testing.T) {
	r := mustHarness(t)
	check := func(when, query string, want int) {
		t.Helper()
		w := r.do("GET", targetsPath+query)
		if w.Code != want {
			t.Errorf("%s: status %d, want %d: %s", when, w.Code, want, w.Body)
		}
		if want == http.StatusServiceUnavailable {
			mustProblem(t, w)
			if retry := w.Header().Get("Retry-After"); retry != "1" {
				t.Errorf("%s: Retry-After %q", when, retry)
			}
		}
	}
	check("at the start", "", 503)
	r.populate()
	check("warming, and the registry is complete", "", 503)
	for _, id := range []string{"blue", "green"} {
		r.renew(13*time.Second, id)
	}
	r.tick(14750 * time.Millisecond)
	check("warming, one tick short", "", 503)
	r.tick(15 * time.Second)
	check("normal", "", 200)
	check("normal, and no server is selected", "?zone=nowhere", 200)
	r.ready = errNoNSQD
	check("stopping", "", 503)
	check("stopping, and no server is selected", "?zone=nowhere", 503)
	r.ready = nil
	r.silent = true
	r.tick(40 * time.Second)
	check("blind: the known servers", "", 200)
	check("blind, and no server is selected", "?zone=nowhere", 503)
	r.silent = false
	r.tick(41 * time.Second)
	check("warming again", "", 503)
}

// The mode can become blind before the registry was ever complete.
func TestTargetsWhileRegistryIsIncomplete(t *testing.T) {
	r := mustHarness(t)
	r.deliver(time.Second, heartbeat("data", "blue", "10.0.0.7:8080", 1))
	r.tick(time.Second)
	r.silent = true
	r.tick(5 * time.Second)
	w := r.do("GET", targetsPath)
	if p := mustProblem(t, w); w.Code != http.StatusServiceUnavailable || !strings.Contains(p.Detail, "the registry is not complete") {
		t.Errorf("status %d, detail %q", w.Code, p.Detail)
	}
}

func TestTargetLabels(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*events.Heartbeat)
		want map[string]string // labels in addition to the labels that every server has
	}{
		{"empty values have no label", func(h *events.Heartbeat) { h.Meta = events.NewMeta(map[string]string{"note": ""}) }, nil},
		{"zone and version", func(h *events.Heartbeat) { h.Zone, h.Version = "ä", "1.4.2" }, map[string]string{"zone": "ä", "version": "1.4.2"}},
		{"tags have a comma at both ends", func(h *events.Heartbeat) { h.Tags = []string{"blue"} }, map[string]string{"tags": ",blue,"}},
		{"tags keep their order", func(h *events.Heartbeat) { h.Tags = []string{"z", "a"} }, map[string]string{"tags": ",z,a,"}},
		{"drained", func(h *events.Heartbeat) { h.Weight = 0 }, map[string]string{"weight": "0", "state": "draining"}},
		{"characters that a label name cannot have", func(h *events.Heartbeat) {
			h.Meta = events.NewMeta(map[string]string{"app.io/rack-Ä_1": "r7"})
		}, map[string]string{"meta_app_io_rack___1": "r7"}},
		{"the first of several keys with the same label name", func(h *events.Heartbeat) {
			h.Meta = events.NewMeta(map[string]string{"a_b": "3", "a.b": "2", "a-b": "1"})
		}, map[string]string{"meta_a_b": "1"}},
		{"the first of them with a value", func(h *events.Heartbeat) {
			h.Meta = events.NewMeta(map[string]string{"a_b": "2", "a-b": ""})
		}, map[string]string{"meta_a_b": "2"}},
		{"a value that is not UTF-8", func(h *events.Heartbeat) {
			h.Meta = events.NewMeta(map[string]string{"x": "a\xffb"})
		}, map[string]string{"meta_x": "a\ufffdb"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustHarness(t)
			r.tick(12 * time.Second)
			h := heartbeat("data", "one", "[2001:db8::1]:80", 1)
			tt.set(&h)
			r.deliver(12*time.Second, h)
			r.tick(15 * time.Second)
			want := map[string]string{
				"__meta_rollcall_service": "data", "__meta_rollcall_id": "one", "__meta_rollcall_state": "alive", "__meta_rollcall_weight": "100",
			}
			for name, value := range tt.want {
				want["__meta_rollcall_"+name] = value
			}
			list := mustTargets(t, r, "")
			if len(list) != 1 || !slices.Equal(list[0].Targets, []string{"[2001:db8::1]:80"}) || !maps.Equal(list[0].Labels, want) {
				t.Errorf("got %v, want %v", list, want)
			}
		})
	}
}

func TestHeadOfTargets(t *testing.T) {
	r := mustHarness(t)
	r.settle()
	base, _ := r.mustRun()
	resp, err := http.Head(base + targetsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if resp.StatusCode != http.StatusOK || resp.ContentLength < 100 {
		t.Errorf("status %d, length %d", resp.StatusCode, resp.ContentLength)
	}
}
