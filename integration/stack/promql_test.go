package stack

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// selectors lists the metrics and labels that a PromQL expression reads. Regular expressions find them. That is enough for a dashboard in
// which braces follow the metric immediately and no metric has the name of a function.
type selectors struct {
	metrics map[string][]string // labels in the braces, by metric
	groups  []string            // labels after "by", "on" and "ignoring"
	by      []string            // labels after "by", which are the only labels of the result
}

var (
	quotedForm   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	rangeForm    = regexp.MustCompile(`\[[^\]]*\]`)
	groupForm    = regexp.MustCompile(`\b(by|on|ignoring)\s*\(([^)]*)\)`)
	selectorForm = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\}|\()?`)
	labelForm    = regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]*`)
)

func parseSelectors(expr string) selectors {
	a := selectors{metrics: make(map[string][]string)}
	bare := rangeForm.ReplaceAllString(quotedForm.ReplaceAllString(expr, ""), "")
	for _, m := range groupForm.FindAllStringSubmatch(bare, -1) {
		labels := labelForm.FindAllString(m[2], -1)
		a.groups = append(a.groups, labels...)
		if m[1] == "by" {
			a.by = append(a.by, labels...)
		}
	}
	bare = groupForm.ReplaceAllString(bare, "")
	for _, m := range selectorForm.FindAllStringSubmatch(bare, -1) {
		if name := m[1]; m[2] != "(" && !slices.Contains([]string{"or", "and", "unless", "bool"}, name) {
			a.metrics[name] = append(a.metrics[name], labelForm.FindAllString(m[2], -1)...)
		}
	}
	return a
}

func TestParseSelectors(t *testing.T) {
	for _, tt := range []struct {
		expr, metrics, groups, by string
	}{
		{"up", "up()", "", ""},
		{`sum(rate(a_total{x="by (q) up", y!~"z"}[5m]))`, "a_total(x y)", "", ""},
		{"max by (x, y) (a) > 0.5", "a()", "x y", "x y"},
		{`a{x="1"} + ignoring (x) 2 * a{z="\"up}"} or on (i) b:c == 0`, "a(x z) b:c()", "x i", ""},
		{"histogram_quantile(0.5, sum by (le) (rate(a_bucket[$__rate_interval])))", "a_bucket()", "le", "le"},
	} {
		a := parseSelectors(tt.expr)
		var metrics []string
		for _, name := range slices.Sorted(maps.Keys(a.metrics)) {
			metrics = append(metrics, name+"("+strings.Join(a.metrics[name], " ")+")")
		}
		got := []string{strings.Join(metrics, " "), strings.Join(a.groups, " "), strings.Join(a.by, " ")}
		if want := []string{tt.metrics, tt.groups, tt.by}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", tt.expr, got, want)
		}
	}
}
