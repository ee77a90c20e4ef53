package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// monitor is Prometheus with the configuration that docker-compose.yml gives it.
type monitor struct {
	*process
	addr string
	log  *output
	http *http.Client
}

// startPrometheus has the API servers in the place of those of docker-compose.yml.
func startPrometheus(t *testing.T, apis ...*apiProcess) *monitor {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skipf("Prometheus is not here: %v", err)
	}
	text := string(mustFile(t, "services/prometheus/prometheus.yml"))
	for i, name := range []string{"apiserver1:4180", "apiserver2:4180"} {
		if !strings.Contains(text, name) {
			t.Fatalf("prometheus.yml does not speak of %s", name)
		}
		text = strings.ReplaceAll(text, name, apis[i].addr)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	must(t, os.WriteFile(file, []byte(text), 0o644))
	m := &monitor{addr: freeAddr(t), log: newOutput(), http: apis[0].http}
	cmd := exec.Command(path, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+m.addr)
	cmd.Stdout, cmd.Stderr = m.log, m.log
	m.process = startProcess(t, cmd)
	return m
}

// ask decodes what the API of Prometheus says; false is an answer of no success.
func (m *monitor) ask(t *testing.T, path string, data any) bool {
	t.Helper()
	resp, err := m.http.Get("http://" + m.addr + path)
	if err != nil {
		return false // it is starting
	}
	body := readAll(t, resp)
	answer := struct {
		Status string
		Data   any
	}{Data: data}
	return json.Unmarshal([]byte(body), &answer) == nil && answer.Status == "success"
}

// up are the targets of a job that are reached, by address.
func (m *monitor) up(t *testing.T, job string) []string {
	t.Helper()
	var data struct {
		ActiveTargets []struct {
			Health string
			Labels map[string]string
		}
	}
	if !m.ask(t, "/api/v1/targets?state=active", &data) {
		return nil
	}
	var up []string
	for _, target := range data.ActiveTargets {
		if target.Labels["job"] == job && target.Health == "up" {
			up = append(up, target.Labels["instance"]+" "+target.Labels["service"]+" "+target.Labels["server"])
		}
	}
	slices.Sort(up)
	return up
}

func readAll(tb testing.TB, resp *http.Response) string {
	tb.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(tb, err)
	return string(body)
}

// Prometheus finds the data servers through both API servers, and reads each once.
func TestPrometheusReadsTheTargets(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	apis := []*apiProcess{s.api("api-1"), s.api("api-2")}
	m := startPrometheus(t, apis...)
	var want []string
	var servers []*process
	for _, id := range []string{"data-1", "data-2", "data-3"} {
		addr := freeAddr(t)
		servers = append(servers, s.dataServer(id, addr))
		want = append(want, addr+" data "+id)
	}
	slices.Sort(want)
	found := func(within time.Duration, job string, want []string) {
		t.Helper()
		var got []string
		deadline := time.Now().Add(within)
		for got = m.up(t, job); !slices.Equal(got, want); got = m.up(t, job) {
			if time.Now().After(deadline) {
				t.Fatalf("of %s %q are up, want %q; the log of Prometheus:\n%s", job, got, want, m.log.tail(20))
			}
			pass(100 * time.Millisecond)
		}
	}
	found(60*time.Second, "dataserver", want) // the API servers are warm after 15 s
	found(10*time.Second, "apiserver", slices.Sorted(slices.Values([]string{apis[0].addr + "  ", apis[1].addr + "  "})))

	for _, target := range mustDashboard(t).targets() {
		expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")
		if !m.ask(t, "/api/v1/query?query="+url.QueryEscape(expr), new(any)) {
			t.Errorf("Prometheus does not take %s", expr)
		}
	}
	apis[1].end() // the other one is enough
	servers[0].end()
	found(20*time.Second, "dataserver", slices.DeleteFunc(want, func(one string) bool { return strings.HasSuffix(one, " data-1") }))
}
