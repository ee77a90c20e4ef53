package stack

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
)

// labels returns the labels that Prometheus adds to each series of the scrape job.
func (j scrapeJob) labels() []string {
	labels := []string{"job", "instance"}
	for _, r := range j.Relabel {
		labels = append(labels, r.Target)
	}
	return labels
}

// seriesLabels maps each metric to the labels of its series.
type seriesLabels map[string][]string

var (
	sampleForm = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? `)
	pairForm   = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"`)
)

// scrape requests the metrics at the address addr. It records the labels of each metric, and the labels that Prometheus adds for the job.
func (s seriesLabels) scrape(tb testing.TB, job scrapeJob, addr string) {
	tb.Helper()
	s["up"] = append(s["up"], job.labels()...)
	for text := range strings.Lines(string(mustGet(tb, "http://"+addr+"/metrics"))) {
		m := sampleForm.FindStringSubmatch(text)
		if m == nil {
			continue // the line is a comment
		}
		s[m[1]] = append(s[m[1]], job.labels()...)
		for _, pair := range pairForm.FindAllStringSubmatch(m[2], -1) {
			s[m[1]] = append(s[m[1]], pair[1])
		}
	}
}

func mustGet(tb testing.TB, url string) []byte {
	tb.Helper()
	resp, err := http.Get(url)
	fixture.Must(tb, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fixture.Must(tb, err)
	if resp.StatusCode != http.StatusOK {
		tb.Fatalf("GET %s: %s %s", url, resp.Status, body)
	}
	return body
}

// A panel with a wrong query is empty. An operator could take that for a quiet day.
func TestDashboardQueriesMatchMetrics(t *testing.T) {
	t.Parallel()
	api, dataServer := startScraped(t)
	mustGet(t, "http://"+api.ProxyAddr()+"/data/hello")
	jobs, known := mustScraping(t), make(seriesLabels)
	fixture.Eventually(t, 5*time.Second, "the request is counted, which happens after its response", func() bool {
		known.scrape(t, jobs["apiserver"], api.Addr())
		return known["rollcall_proxy_requests_total"] != nil
	})
	known.scrape(t, jobs["dataserver"], dataServer)
	for _, q := range mustDashboard(t).queries() {
		q.check(t, known)
	}
}

// check fails the test for each metric and label of the query that no target has.
func (q query) check(t *testing.T, known seriesLabels) {
	t.Helper()
	a := parseSelectors(q.expr)
	if len(a.metrics) == 0 {
		t.Errorf("%s: found no metric in %s", q.panel, q.expr)
	}
	var all []string
	for name, labels := range a.metrics {
		if _, ok := known[name]; !ok {
			t.Errorf("%s: no target has %s", q.panel, name)
		}
		q.has(t, known[name], labels)
		all = append(all, known[name]...)
	}
	q.has(t, all, a.groups)
	if a.by != nil {
		all = a.by // if the expression has "by", its result has only these labels
	}
	q.has(t, all, q.legend)
}

func (q query) has(t *testing.T, existing, labels []string) {
	t.Helper()
	for _, l := range labels {
		if !slices.Contains(existing, l) {
			t.Errorf("%s: no series has the label %s in %s", q.panel, l, q.expr)
		}
	}
}

// query returns the labels of each series in the result.
func (p *prometheus) query(expr string) ([]map[string]string, error) {
	var found struct {
		Result []struct{ Metric map[string]string }
	}
	if err := p.ask("/api/v1/query?query="+url.QueryEscape(expr), &found); err != nil {
		return nil, err
	}
	var all []map[string]string
	for _, r := range found.Result {
		all = append(all, r.Metric)
	}
	return all, nil
}

// checkPanels fails the test for each query of the dashboard that returns no series, or a series that lacks a label of the legend.
func checkPanels(t *testing.T, p *prometheus) {
	t.Helper()
	for _, q := range mustDashboard(t).queries() {
		var found []map[string]string
		var err error
		begun := time.Now()
		for len(found) == 0 && err == nil && time.Since(begun) < 15*time.Second { // a query for a rate has no result before the second scrape
			fixture.Sleep(20 * time.Millisecond)
			found, err = p.query(expand(q.expr))
		}
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %d series, error %v, for %s", q.panel, len(found), err, expand(q.expr))
		}
		for _, labels := range found {
			if i := slices.IndexFunc(q.legend, func(l string) bool { return labels[l] == "" }); i >= 0 {
				t.Errorf("%s: the series %v has no label %s for the legend", q.panel, labels, q.legend[i])
			}
		}
	}
}
