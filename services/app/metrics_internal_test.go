package app

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/config"
	"rollcall/services/dataserver"
)

var update = flag.Bool("update", false, "rewrite the table of metrics")

const metricsDocument = "services/prometheus/README.md"

// counts are the gauges without a unit: numbers of things, and flags that are 0 or 1.
var counts = []string{
	"rollcall_id_conflict", "rollcall_listener_connections", "rollcall_listener_connections_max", "rollcall_mailbox_heartbeats",
	"rollcall_nsqd_connected", "rollcall_nsqd_silent", "rollcall_nsqd_unreached", "rollcall_nsqd_waiting", "rollcall_outbox_events",
	"rollcall_probes_waiting", "rollcall_proxy_client_connections", "rollcall_proxy_connections", "rollcall_proxy_ejected_servers",
	"rollcall_proxy_panic", "rollcall_proxy_requests_in_flight", "rollcall_proxy_usable_servers", "rollcall_registry_mode",
	"rollcall_revision", "rollcall_servers",
}

type family struct{ name, help, labels string }

// mustMetrics returns all metrics of an API server and of the agent, sorted by name, also those without a series yet.
func mustMetrics(t *testing.T) []family {
	t.Helper()
	cfg := config.Default()
	cfg.ID = "api-1"
	cfg.NSQ.Lookupd, cfg.NSQ.NSQD = nil, []string{fixture.FreeAddr(t)}
	cfg.API.Listen, cfg.Proxy.Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Registry.Snapshot = filepath.Join(t.TempDir(), "snapshot")
	a, err := ListenAPIServer(cfg, zap.NewNop())
	fixture.Must(t, err)
	t.Cleanup(func() { fixture.Must(t, errors.Join(a.api.Close(), a.front.Close(), a.unclaim())) })
	_, err = dataserver.NewAgent(dataserver.Config{
		Service: "data", Addr: "10.0.0.7:8080", NSQ: nsqpubsub.Cluster{NSQD: cfg.NSQ.NSQD}, Metrics: a.metrics,
	})
	fixture.Must(t, err)

	described := make(chan *prometheus.Desc)
	go func() {
		defer close(described)
		a.metrics.Describe(described)
	}()
	text := regexp.MustCompile(`fqName: "(.*)", help: "(.*)", unit: ".*", constLabels: {.*}, variableLabels: {(.*)}}`)
	var all []family
	for d := range described {
		m := text.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("unknown format: %s", d)
		}
		if strings.HasPrefix(m[1], "rollcall_") {
			all = append(all, family{m[1], m[2], m[3]})
		}
	}
	slices.SortFunc(all, func(a, b family) int { return strings.Compare(a.name, b.name) })
	if len(all) < 50 {
		t.Fatalf("%d metrics, want more than 50", len(all))
	}
	return all
}

func TestMetricsMatchREADME(t *testing.T) {
	unit := regexp.MustCompile(`_(total|seconds|bytes|ratio)$`)
	var table strings.Builder
	table.WriteString("| metric | labels | meaning |\n|---|---|---|\n")
	for _, m := range mustMetrics(t) {
		if !strings.HasSuffix(m.help, ".") || len(m.help) < 15 {
			t.Errorf("%s: help %q, want a sentence", m.name, m.help)
		}
		if !unit.MatchString(m.name) && !slices.Contains(counts, m.name) {
			t.Errorf("%s: want a suffix _total, _seconds, _bytes or _ratio, or an entry in counts", m.name)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", m.name, strings.ReplaceAll(m.labels, ",", ", "), m.help)
	}

	const begin, end = "<!-- metrics -->\n", "<!-- /metrics -->"
	text := string(fixture.File(t, metricsDocument))
	before, rest, begun := strings.Cut(text, begin)
	got, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		t.Fatalf("%s: want a section between %q and %q", metricsDocument, begin, end)
	}
	if *update {
		got = table.String()
		fixture.Must(t, os.WriteFile(filepath.Join(fixture.Root(t), metricsDocument), []byte(before+begin+got+end+after), 0o644))
	}
	if got != table.String() {
		t.Errorf("%s does not have the table of metrics: go test ./services/app -run Metrics -update writes\n%s", metricsDocument, table.String())
	}
}
