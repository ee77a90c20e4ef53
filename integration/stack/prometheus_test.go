package stack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// prometheus is a process of Prometheus.
type prometheus struct {
	*harness.Process
	log  *harness.Output
	addr string
	http *http.Client
}

// lookPrometheus returns the path of Prometheus, or skips the test.
func lookPrometheus(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skipf("Prometheus is not installed: %v", err)
	}
	return path
}

// startPrometheus starts Prometheus with the configuration of the stack, but with the given API servers instead of those of the stack.
func startPrometheus(t *testing.T, path string, apis ...*harness.APIServer) *prometheus {
	t.Helper()
	dir := t.TempDir()
	text := string(fixture.File(t, "services/prometheus/prometheus.yml"))
	for i, a := range apis {
		text = strings.ReplaceAll(text, fmt.Sprintf("apiserver%d:4180", i+1), a.Addr)
	}
	config := filepath.Join(dir, "prometheus.yml")
	fixture.Must(t, os.WriteFile(config, []byte(text), 0o600))
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p := &prometheus{log: harness.NewOutput(), addr: fixture.FreeAddr(t), http: &http.Client{Transport: transport, Timeout: 5 * time.Second}}
	cmd := exec.Command(path, "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", p.addr, "--log.level", "warn")
	cmd.Stdout, cmd.Stderr = p.log, p.log
	p.Process = harness.StartProcess(t, cmd)
	return p
}

// ask requests a path of the HTTP API of Prometheus, and decodes the field "data" of the response into the parameter data.
func (p *prometheus) ask(path string, data any) error {
	resp, err := p.http.Get("http://" + p.addr + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	response := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&response); err != nil {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	if response.Status != "success" {
		return fmt.Errorf("%s: %s", resp.Status, response.Error)
	}
	return nil
}

// targets returns a line for each target of Prometheus, sorted. A line ends in the health of its target.
func (p *prometheus) targets() []string {
	var found struct {
		ActiveTargets []struct {
			Labels map[string]string
			Health string
		}
	}
	if err := p.ask("/api/v1/targets?state=active", &found); err != nil {
		return []string{err.Error()}
	}
	var lines []string
	for _, t := range found.ActiveTargets {
		l := t.Labels
		lines = append(lines, strings.Join([]string{l["job"], l["instance"], l["service"], l["server"], l["zone"], t.Health}, " "))
	}
	slices.Sort(lines)
	return lines
}

// await waits until Prometheus has exactly the given targets.
func (p *prometheus) await(t *testing.T, within time.Duration, what string, targets ...string) {
	t.Helper()
	slices.Sort(targets)
	begun := time.Now()
	for !slices.Equal(p.targets(), targets) {
		if time.Since(begun) > within {
			t.Fatalf("%s, not within %v:\nwant %s\ngot  %s\nPrometheus' log:\n%s", what, within,
				strings.Join(targets, "\n     "), strings.Join(p.targets(), "\n     "), p.log.Tail(10))
		}
		fixture.Sleep(100 * time.Millisecond)
	}
	harness.AtMost(t, what, time.Since(begun).Round(time.Millisecond), within)
}

// The parts of the stack run as processes. Prometheus must find servers that start, die and leave, also while an API server is down, and
// the dashboard must show them.
func TestPrometheusFindsServers(t *testing.T) {
	path := lookPrometheus(t)
	t.Parallel()
	s := harness.NewSite(t, 2)
	apis := []*harness.APIServer{s.StartAPI("api-1"), s.StartAPI("api-2")}
	p := startPrometheus(t, path, apis...)
	var servers []*harness.Process
	var want []string // the targets that Prometheus must have for the data servers
	start := func() {
		id, addr := fmt.Sprintf("data-%d", len(servers)), fixture.FreeAddr(t)
		servers = append(servers, s.StartDataServer(id, addr, "--dataserver.zone=a"))
		want = append(want, fmt.Sprintf("dataserver %s data %s a up", addr, id))
	}
	for range 3 {
		start()
	}
	api := func(i int, health string) string { return fmt.Sprintf("apiserver %s    %s", apis[i].Addr, health) }
	const (
		warm    = 15 * time.Second
		gone    = 9 * time.Second  // until a dead server expires
		left    = 15 * time.Second // 5 s for the refresh, 5 s until Prometheus applies it, and 5 s to spare
		scraped = 25 * time.Second // 5 s for the refresh, twice 5 s until Prometheus applies it, 5 s for the first scrape, and 5 s to spare
	)
	p.await(t, warm+scraped, "each server is one target", api(0, "up"), api(1, "up"), want[0], want[1], want[2])

	servers[0].Kill()
	for range 20 { // some of the requests try the dead server
		resp, err := apis[0].Client.Get("http://" + apis[0].Proxy + "/data/hello")
		fixture.Must(t, err)
		fixture.Must(t, resp.Body.Close())
	}
	p.await(t, gone+scraped, "a dead server is no target", api(0, "up"), api(1, "up"), want[1], want[2])
	checkPanels(t, p)

	servers[1].Signal(syscall.SIGTERM)
	p.await(t, left, "a server that left is no target", api(0, "up"), api(1, "up"), want[2])
	apis[0].Terminate()
	servers[2].Terminate()
	start() // servers[2] left before this start, so an API server that lists the new server has received that leave
	stale := strings.TrimSuffix(want[2], "up") + "down"
	p.await(t, scraped, "without one API server, a new server is a target and a server that left still is", api(0, "down"), api(1, "up"), stale, want[3])
	apis[0].Start(t)
	p.await(t, warm+scraped, "a server that left is no target when the API server is back", api(0, "up"), api(1, "up"), want[3])
}
