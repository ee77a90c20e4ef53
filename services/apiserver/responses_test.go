package apiserver_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

func TestGoldenResponses(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	for _, tt := range []struct{ path, file string }{
		{"/v1/servers", "servers.json"},
		{"/v1/servers/data/blue", "explain.json"},
		{"/v1/services", "services.json"},
		{"/v1/status", "status.json"},
		{"/v1/servers?zone=nowhere", "empty.json"},
		{"/v1/servers/data/nobody", "problem.json"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			w := r.do("GET", tt.path)
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, w.Body.Bytes(), "", "  "); err != nil {
				t.Fatal(err)
			}
			mustGolden(t, tt.file, pretty.Bytes())
		})
	}
}

func TestHealth(t *testing.T) {
	r := mustHarness(t)
	check := func(path string, want int) {
		t.Helper()
		w := r.do("GET", path)
		if w.Code != want {
			t.Errorf("%s: status %d, want %d: %s", path, w.Code, want, w.Body)
		}
		if want != http.StatusOK {
			mustProblem(t, w)
		}
	}
	check("/livez", http.StatusOK)
	check("/readyz", http.StatusServiceUnavailable) // the mode is warming
	r.tick(5 * time.Second)
	check("/readyz", http.StatusOK)
	r.ready = errNoNSQD
	check("/livez", http.StatusOK)
	check("/readyz", http.StatusServiceUnavailable)
	if p := mustProblem(t, r.do("GET", "/readyz")); p.Detail != "not ready: no nsqd is connected" {
		t.Errorf("detail %q does not state the reason", p.Detail)
	}
	r.stop()
	check("/livez", http.StatusServiceUnavailable)
	check("/readyz", http.StatusServiceUnavailable)
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	base, _ := r.mustRun()
	for _, path := range []string{"/v1/servers", "/v1/services", "/v1/status", "/v1/servers/data/blue", "/livez", "/readyz", "/metrics"} {
		resp, err := http.Head(base + path)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != http.StatusOK || resp.ContentLength == 0 {
			t.Errorf("HEAD %s: status %d, length %d", path, resp.StatusCode, resp.ContentLength)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// While no message arrives through any nsqd, the status and the metrics say so, all servers are kept, and the API server stays ready.
func TestNSQOutage(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	r.metrics.MustRegister(r.server)
	r.silent = true
	r.tick(time.Minute)
	for _, path := range []string{"/livez", "/readyz", "/v1/servers", "/v1/services"} {
		if w := r.do("GET", path); w.Code != http.StatusOK {
			t.Errorf("%s: status %d, want 200: %s", path, w.Code, w.Body)
		}
	}
	var status apiserver.Status
	mustDecode(t, r.do("GET", "/v1/status").Body.Bytes(), &status)
	if status.Mode != registry.ModeBlind || !strings.Contains(status.Detail, "leases stand still") || status.NSQD[0].Reception != "silent" {
		t.Errorf("got %+v, want mode blind, its detail, and the silent nsqd", status)
	}
	if n := status.Servers.Alive + status.Servers.Suspect + status.Servers.Draining; n != 3 {
		t.Errorf("%d servers are kept, want 3", n)
	}
	if got := keys(t, r.do("GET", "/v1/servers")); len(got) != 3 {
		t.Errorf("servers %v, want three", got)
	}
	metrics := r.do("GET", "/metrics").Body.String()
	for _, line := range []string{
		`rollcall_registry_mode{mode="blind"} 1`, `rollcall_registry_mode{mode="normal"} 0`, `rollcall_nsqd_silent{nsqd="10.0.0.1:4150"} 1`,
		"rollcall_nsqd_silent_ratio 1", "rollcall_nsqd_unreached 0", "rollcall_lease_grace_seconds 0",
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	// The list of an unknown service would be empty. But the service may have servers whose heartbeats did not arrive.
	if w := r.do("GET", "/v1/servers?service=other"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("an empty list: status %d, want 503", w.Code)
	}
}
