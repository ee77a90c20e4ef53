package integration

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"rollcall/events"
)

// dashboard is what Grafana shows, as far as it can be wrong.
type dashboard struct {
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	Description string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ UID string }
	Targets     []target
}

type target struct{ Expr, LegendFormat string }

func mustDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	must(t, json.Unmarshal(mustFile(t, "services/grafana/dashboards/rollcall.json"), &d))
	if len(d.Panels) == 0 {
		t.Fatal("the dashboard is empty")
	}
	return d
}

// targets are those of all panels.
func (d dashboard) targets() []target {
	var all []target
	for _, p := range d.Panels {
		all = append(all, p.Targets...)
	}
	return all
}

func TestDashboardIsWhole(t *testing.T) {
	d := mustDashboard(t)
	var provisioned struct{ Datasources []struct{ UID string } }
	must(t, yaml.Unmarshal(mustFile(t, "services/grafana/provisioning/datasources/prometheus.yml"), &provisioned))
	if len(provisioned.Datasources) != 1 {
		t.Fatalf("there are %d datasources, want one", len(provisioned.Datasources))
	}
	seen := make(map[int]bool)
	for i, p := range d.Panels {
		if seen[p.ID] {
			t.Errorf("%s: id %d is taken", p.Title, p.ID)
		}
		seen[p.ID] = true
		for _, other := range d.Panels[:i] {
			a, b := p.GridPos, other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s covers %s", p.Title, other.Title)
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Datasource.UID != provisioned.Datasources[0].UID || len(p.Targets) == 0 || p.Description == "" {
			t.Errorf("%s asks %q for %d things, and is described as %q", p.Title, p.Datasource.UID, len(p.Targets), p.Description)
		}
	}
}

var (
	metricUsed = regexp.MustCompile(`\b((?:rollcall|process|go)_\w+)(?:\{([^}]*)\})?`)
	matcher    = regexp.MustCompile(`(\w+)\s*(?:=|!=|=~|!~)\s*"`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	legend     = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

// ofTarget are labels that Prometheus adds.
var ofTarget = []string{"job", "instance", "le"}

func TestDashboardShowsWhatThereIs(t *testing.T) {
	s := newSite(t, 1)
	a, d := s.api("api-1"), freeAddr(t)
	s.dataServer("data-1", d)
	a.await(t, 20*time.Second, "the data server is listed", func() bool { return a.lists("data-1") })
	resp, err := a.http.Get("http://" + a.proxy + "/" + events.DefaultService + "/x")
	must(t, err)
	readAll(t, resp)
	a.await(t, 5*time.Second, "the request is counted", func() bool { return a.count(t, requestsMetric) > 0 })
	known := make(map[string]map[string]bool)
	learn(t, known, a.http, "http://"+a.addr+"/metrics")
	learn(t, known, a.http, "http://"+d+"/metrics")

	for _, target := range mustDashboard(t).targets() {
		used := metricUsed.FindAllStringSubmatch(target.Expr, -1)
		if len(used) == 0 && target.Expr != "up" {
			t.Errorf("%s has no metric", target.Expr)
		}
		var labels []string
		for _, g := range grouping.FindAllStringSubmatch(target.Expr, -1) {
			labels = append(labels, strings.Split(g[1], ", ")...)
		}
		for _, l := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
			labels = append(labels, l[1])
		}
		for _, m := range used {
			has, ok := known[m[1]]
			if !ok {
				t.Errorf("%s: nobody has %s", target.Expr, m[1])
				continue
			}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				labels = append(labels, l[1])
			}
			for _, l := range labels {
				if !has[l] && !slices.Contains(ofTarget, l) {
					t.Errorf("%s: %s has no label %s", target.Expr, m[1], l)
				}
			}
		}
	}
}

// learn notes each metric with its labels.
func learn(t *testing.T, known map[string]map[string]bool, client *http.Client, url string) {
	t.Helper()
	resp, err := client.Get(url)
	must(t, err)
	body := readAll(t, resp)
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, labelled := strings.Cut(line, "{")
		if !labelled {
			name, _, _ = strings.Cut(line, " ")
		}
		if known[name] == nil {
			known[name] = make(map[string]bool)
		}
		if labelled {
			for _, l := range matcher.FindAllStringSubmatch(rest, -1) {
				known[name][l[1]] = true
			}
		}
	}
}
