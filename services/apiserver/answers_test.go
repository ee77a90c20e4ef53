package apiserver_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

func TestAnswersAreTheGoldenFiles(t *testing.T) {
	r := mustRoll(t)
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
	r := mustRoll(t)
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
	check("/readyz", http.StatusServiceUnavailable) // warming
	r.tick(5 * time.Second)
	check("/readyz", http.StatusOK)
	r.ready = errDeaf
	check("/livez", http.StatusOK)
	check("/readyz", http.StatusServiceUnavailable)
	if p := mustProblem(t, r.do("GET", "/readyz")); p.Detail != "not ready: no nsqd is connected" {
		t.Errorf("detail %q does not tell the reason", p.Detail)
	}
	r.stop()
	check("/livez", http.StatusServiceUnavailable)
	check("/readyz", http.StatusServiceUnavailable)
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	r := mustRoll(t)
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
