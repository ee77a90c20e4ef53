package stack

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
	"rollcall/services/app"
)

// scraping is the part of services/prometheus/prometheus.yml that tests read.
type scraping struct {
	Jobs []scrapeJob `yaml:"scrape_configs"`
}

type scrapeJob struct {
	Name    string `yaml:"job_name"`
	Relabel []struct {
		Source []string `yaml:"source_labels"`
		Target string   `yaml:"target_label"`
	} `yaml:"relabel_configs"`
}

func mustScraping(tb testing.TB) map[string]scrapeJob {
	tb.Helper()
	var s scraping
	fixture.Must(tb, yaml.Unmarshal(fixture.File(tb, "services/prometheus/prometheus.yml"), &s))
	jobs := make(map[string]scrapeJob)
	for _, j := range s.Jobs {
		jobs[j.Name] = j
	}
	return jobs
}

// startScraped starts an nsqd, an API server and a data server in zone a, and returns the API server and the address of the data server.
func startScraped(t *testing.T) (api *app.APIServer, dataServer string) {
	t.Helper()
	c := harness.NewCluster(t)
	c.StartNSQD()
	a := c.StartAPI("api-1", 1)
	cfg := c.Config("")
	cfg.DataServer.Listen, cfg.DataServer.Zone = "127.0.0.1:0", "a"
	d, err := app.NewDataServer(cfg, zap.NewNop())
	fixture.Must(t, err)
	harness.Run(t, "data server", d.Run)
	fixture.Eventually(t, 5*time.Second, "the data server is listed", func() bool { return len(harness.Members(t, a)) == 1 })
	return a, harness.Members(t, a)[0].Addr
}

// Prometheus ignores a relabeling of a label that does not exist, without an error.
func TestPrometheusRelabelsExistingLabels(t *testing.T) {
	t.Parallel()
	api, dataServer := startScraped(t)
	var list []struct {
		Targets []string
		Labels  map[string]string
	}
	fixture.Eventually(t, 20*time.Second, "the API server is warm", func() bool {
		resp, err := http.Get("http://" + api.Addr() + "/v1/prometheus/targets")
		fixture.Must(t, err)
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&list) == nil
	})
	if len(list) != 1 || !slices.Equal(list[0].Targets, []string{dataServer}) {
		t.Fatalf("targets %v, want %s", list, dataServer)
	}
	relabel := mustScraping(t)["dataserver"].Relabel
	if len(relabel) == 0 {
		t.Error("there is no relabeling")
	}
	for _, r := range relabel {
		for _, source := range r.Source {
			if list[0].Labels[source] == "" {
				t.Errorf("%s is made from %s, which is not in the labels %v", r.Target, source, list[0].Labels)
			}
		}
	}
}
