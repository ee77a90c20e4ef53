package apiserver_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// The allocations for a list must not grow with the list: one for each server would be 5000 here. One for each piece or batch is allowed.
func TestAllocationsDoNotGrowWithTheList(t *testing.T) {
	const servers = 5000
	r := mustHarness(t)
	r.enroll(servers)
	for _, row := range []struct {
		target, encoding string
		tick             time.Duration
	}{
		{"/v1/servers", "identity", 250 * time.Millisecond},
		{"/v1/servers", "gzip", 250 * time.Millisecond},
		{"/v1/servers?fields=addr", "identity", 250 * time.Millisecond},
		{"/v1/servers?state=alive&limit=4900", "identity", 250 * time.Millisecond},
		{"/v1/prometheus/targets", "identity", time.Minute},
	} {
		req := httptest.NewRequest("GET", row.target, nil)
		req.Header.Set("Accept-Encoding", row.encoding)
		got := testing.AllocsPerRun(10, func() {
			w := &discard{header: make(http.Header)}
			if r.server.Handler().ServeHTTP(w, req); w.status != http.StatusOK || w.bytes < 4*servers {
				t.Errorf("%s: status %d, %d bytes", row.target, w.status, w.bytes)
			}
			r.now.Add(int64(row.tick))
		})
		if got > servers/20 {
			t.Errorf("%s, %s: %v allocations for %d servers", row.target, row.encoding, got, servers)
		}
	}
}
