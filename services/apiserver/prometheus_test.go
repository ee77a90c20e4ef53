package apiserver_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/events"
)

const targetsPath = "/v1/prometheus/targets"

type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// mustWarm has the registry hear these once a second until it is warm.
func (r *roll) mustWarm(beats ...events.Heartbeat) {
	r.t.Helper()
	for at := time.Second; at <= 16*time.Second; at += time.Second {
		r.tick(at)
		for _, h := range beats {
			h.Seq = uint64(at / time.Second)
			r.hear(at, h)
		}
	}
}

func targets(t *testing.T, r *roll, query string) []targetGroup {
	t.Helper()
	w := r.do("GET", targetsPath+query)
	if got := w.Header().Values("Content-Type"); w.Code != http.StatusOK || !slices.Equal(got, []string{"application/json"}) {
		t.Fatalf("%s: status %d, content type %q: %s", query, w.Code, got, w.Body)
	}
	var groups []targetGroup
	mustDecode(t, w.Body.Bytes(), &groups)
	return groups
}

func TestTargetsAreWhatPrometheusReads(t *testing.T) {
	r := mustRoll(t)
	blue := beat("data", "blue", "10.0.0.7:8080", 1)
	blue.Zone, blue.Version, blue.Tags = "a", "1.4.2", []string{"blue", "canary"}
	blue.Meta = events.NewMeta(map[string]string{"rack": "r7", "a-b": "first", "a.b": "second", "größe": "<1>", "empty": ""})
	six := beat("data", "six", "[2001:db8::7]:80", 1)
	six.Weight = 0
	r.mustWarm(blue, six)
	got := targets(t, r, "")
	want := []targetGroup{
		{[]string{"10.0.0.7:8080"}, map[string]string{
			"__meta_rollcall_service": "data", "__meta_rollcall_id": "blue", "__meta_rollcall_state": "alive", "__meta_rollcall_zone": "a",
			"__meta_rollcall_version": "1.4.2", "__meta_rollcall_weight": "100", "__meta_rollcall_tags": ",blue,canary,",
			"__meta_rollcall_meta_rack": "r7", "__meta_rollcall_meta_a_b": "first", "__meta_rollcall_meta_gr__e": "<1>",
		}},
		{[]string{"[2001:db8::7]:80"}, map[string]string{
			"__meta_rollcall_service": "data", "__meta_rollcall_id": "six", "__meta_rollcall_state": "draining", "__meta_rollcall_weight": "0",
		}},
	}
	equal := func(a, b targetGroup) bool {
		return slices.Equal(a.Targets, b.Targets) && maps.Equal(a.Labels, b.Labels)
	}
	if !slices.EqualFunc(got, want, equal) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestTargetsAreFilteredAsServersAre(t *testing.T) {
	r := mustRoll(t)
	blue, green := beat("data", "blue", "10.0.0.7:8080", 1), beat("data", "green", "10.0.0.8:8080", 1)
	blue.Zone, blue.Tags, blue.Meta = "a", []string{"new"}, events.NewMeta(map[string]string{"rack": "r7"})
	green.Weight = 0
	r.mustWarm(blue, green, beat("web", "red", "10.0.0.9:80", 1))
	for query, want := range map[string][]string{
		"":                    {"10.0.0.7:8080", "10.0.0.8:8080", "10.0.0.9:80"},
		"?service=data":       {"10.0.0.7:8080", "10.0.0.8:8080"},
		"?state=draining":     {"10.0.0.8:8080"},
		"?zone=a":             {"10.0.0.7:8080"},
		"?tag=new":            {"10.0.0.7:8080"},
		"?meta.rack=r7":       {"10.0.0.7:8080"},
		"?service=web&zone=a": nil,
	} {
		var got []string
		for _, g := range targets(t, r, query) {
			got = append(got, g.Targets...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	if body := r.do("GET", targetsPath+"?service=nobody").Body.String(); body != "[]\n" {
		t.Errorf("without a server it is %q", body)
	}
}

// Prometheus drops the targets that an answer does not have, and keeps all of them where it gets none.
func TestTargetsThatMayBeIncompleteAreRefused(t *testing.T) {
	r := mustRoll(t)
	refused := func(when string) {
		t.Helper()
		w := r.do("GET", targetsPath)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: status %d, Retry-After %q: %s", when, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
		mustProblem(t, w)
	}
	refused("nothing was heard yet")
	r.tick(time.Second)
	r.hear(time.Second, beat("data", "blue", "10.0.0.7:8080", 1))
	refused("warming, and one is known")
	left := beat("data", "blue", "10.0.0.7:8080", 100)
	left.Type = events.KindLeave
	r.mustWarm()
	r.hear(16*time.Second, left)
	if got := targets(t, r, ""); len(got) != 0 {
		t.Errorf("warm, and nobody is there: got %v", got)
	}
	r.deaf = true
	r.tick(20 * time.Second)
	refused("blind, and nobody is known")
}

func TestTargetsKnowNoLongPoll(t *testing.T) {
	r := mustRoll(t)
	for _, query := range []string{"index=1", "index=1&wait=1s", "wait=1s", "limit=1"} {
		w := r.do("GET", targetsPath+"?"+query)
		name, _, _ := strings.Cut(query, "=")
		if p := mustProblem(t, w); w.Code != http.StatusBadRequest || !strings.Contains(p.Detail, name) {
			t.Errorf("%s: status %d, %s", query, w.Code, p.Detail)
		}
	}
	if w := r.do("POST", targetsPath); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", w.Code)
	}
}
