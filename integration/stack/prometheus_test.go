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

// prometheus is the real one, as a process of its own.
type prometheus struct {
	*harness.Process
	log  *harness.Output
	addr string
	http *http.Client
}

// lookPrometheus skips the test where there is none.
func lookPrometheus(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skipf("Prometheus is not installed: %v", err)
	}
	return path
}

// startPrometheus runs the program at path with the configuration of the stack, in which only the API servers are others.
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

// ask is GET of Prometheus' API.
func (p *prometheus) ask(path string, data any) error {
	resp, err := p.http.Get("http://" + p.addr + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", resp.Status, answer.Error)
	}
	return nil
}

// targets are those that are scraped, and whether they are up, in order.
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

// await returns when the targets are these.
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

// TestPrometheusFindsTheServers is the stack in processes of their own: what Prometheus scrapes while servers come, die
// and leave, and an API server ends and comes back; and what the dashboard shows of it.
func TestPrometheusFindsTheServers(t *testing.T) {
	path := lookPrometheus(t)
	t.Parallel()
	s := harness.NewSite(t, 2)
	apis := []*harness.APIServer{s.StartAPI("api-1"), s.StartAPI("api-2")}
	p := startPrometheus(t, path, apis...)
	var servers []*harness.Process
	var want []string // of the data servers
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
		warm = 15 * time.Second
		gone = 9 * time.Second  // of a server that is dead
		left = 15 * time.Second // 5 s each for the refresh and for its taking up, and 5 s to spare
		told = 25 * time.Second // 5 s each for the refresh, for its taking up, twice, and for the first scrape, and 5 s to spare
	)
	p.await(t, warm+told, "each server is found once", api(0, "up"), api(1, "up"), want[0], want[1], want[2])

	servers[0].Kill()
	for range 20 { // some of them meet the dead one
		resp, err := apis[0].Client.Get("http://" + apis[0].Proxy + "/data/hello")
		fixture.Must(t, err)
		fixture.Must(t, resp.Body.Close())
	}
	p.await(t, gone+told, "one that is dead is no target", api(0, "up"), api(1, "up"), want[1], want[2])
	checkPanels(t, p)

	servers[1].Signal(syscall.SIGTERM)
	p.await(t, left, "one that left is no target", api(0, "up"), api(1, "up"), want[2])
	apis[0].Terminate()
	servers[2].Terminate()
	start() // whoever tells of it knows that the one before has left
	stale := strings.TrimSuffix(want[2], "up") + "down"
	p.await(t, told, "without an API server who comes is found, and who leaves is kept", api(0, "down"), api(1, "up"), stale, want[3])
	apis[0].Start(t)
	p.await(t, warm+told, "what was kept goes when the API server is back", api(0, "up"), api(1, "up"), want[3])
}
