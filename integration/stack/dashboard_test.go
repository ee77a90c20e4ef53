package stack

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"rollcall/integration/fixture"
)

// dashboard is the part of services/grafana/dashboards/rollcall.json that tests read.
type dashboard struct {
	UID        string
	Panels     []panel
	Templating struct{ List []variable }
}

type panel struct {
	ID          int
	Type, Title string
	Description string
	Datasource  datasource
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		Datasource   datasource
		RefID        string
		Expr         string
		LegendFormat string
	}
	FieldConfig struct{ Defaults struct{ Unit string } }
}

type variable struct {
	Name       string
	Datasource datasource
	Definition string
	Query      struct{ Query string }
}

type datasource struct{ Type, UID string }

func mustDashboard(tb testing.TB) dashboard {
	tb.Helper()
	var d dashboard
	fixture.Must(tb, json.Unmarshal(fixture.File(tb, "services/grafana/dashboards/rollcall.json"), &d))
	return d
}

// query is an expression of a panel, and the labels in its legend.
type query struct {
	panel, expr string
	legend      []string
}

var (
	legendForm = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
	valuesForm = regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)
)

// queries returns the queries of all panels, and the queries of all variables, rewritten as expressions that read the same series.
func (d dashboard) queries() []query {
	var all []query
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			q := query{panel: p.Title, expr: t.Expr}
			for _, m := range legendForm.FindAllStringSubmatch(t.LegendFormat, -1) {
				q.legend = append(q.legend, m[1])
			}
			all = append(all, q)
		}
	}
	for _, v := range d.Templating.List {
		all = append(all, query{panel: "$" + v.Name, expr: valuesForm.ReplaceAllString(v.Query.Query, "sum by ($2) ($1)")})
	}
	return all
}

// expand replaces variables as Grafana does when all services are selected.
func expand(expr string) string {
	return strings.NewReplacer("$__rate_interval", "30s", "$service", ".*").Replace(expr)
}

func TestDashboardIsComplete(t *testing.T) {
	var provisioned struct {
		Datasources []struct{ UID, Type string }
	}
	fixture.Must(t, yaml.Unmarshal(fixture.File(t, "services/grafana/provisioning/datasources/prometheus.yml"), &provisioned))
	if len(provisioned.Datasources) != 1 {
		t.Fatalf("datasources %v, want one", provisioned)
	}
	prometheus := datasource{provisioned.Datasources[0].Type, provisioned.Datasources[0].UID}
	d := mustDashboard(t)
	for _, v := range d.Templating.List {
		if v.Datasource != prometheus || v.Definition != v.Query.Query {
			t.Errorf("variable %s: %+v, want the datasource %v and one query", v.Name, v, prometheus)
		}
	}
	ids := make(map[int]string)
	for i, p := range d.Panels {
		if other, taken := ids[p.ID]; taken || p.ID == 0 {
			t.Errorf("%s: id %d is 0 or also the id of %q", p.Title, p.ID, other)
		}
		ids[p.ID] = p.Title
		if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
			t.Errorf("%s: is outside of the grid: %+v", p.Title, g)
		}
		for _, o := range d.Panels[:i] {
			if p.overlaps(o) {
				t.Errorf("%s: overlaps %s", p.Title, o.Title)
			}
		}
		if p.Type != "row" {
			p.check(t, prometheus)
		}
	}
}

func (p panel) overlaps(o panel) bool {
	a, b := p.GridPos, o.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

func (p panel) check(t *testing.T, want datasource) {
	t.Helper()
	if p.Datasource != want {
		t.Errorf("%s: datasource %v, want %v", p.Title, p.Datasource, want)
	}
	if !strings.HasSuffix(p.Description, ".") || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
		t.Errorf("%s: description %q, unit %q, %d queries: want each", p.Title, p.Description, p.FieldConfig.Defaults.Unit, len(p.Targets))
	}
	refs := make(map[string]bool)
	for _, q := range p.Targets {
		if q.Datasource != want || q.RefID == "" || refs[q.RefID] || q.LegendFormat == "" {
			t.Errorf("%s: query %+v, want the datasource %v, a ref of its own and a legend", p.Title, q, want)
		}
		refs[q.RefID] = true
	}
}

func TestDashboardsAreProvisioned(t *testing.T) {
	var provisioned struct {
		Providers []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	fixture.Must(t, yaml.Unmarshal(fixture.File(t, "services/grafana/provisioning/dashboards/rollcall.yml"), &provisioned))
	if p := provisioned.Providers; len(p) != 1 || p[0].Type != "file" || p[0].Options.Path != "/etc/grafana/dashboards" {
		t.Errorf("got %+v, want the folder that the stack mounts", p)
	}
}
