package apiserver_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/apiserver"
)

// Two API servers have the same id. The API server that started later is not ready until the other API server has ended.
func TestReadinessWithDuplicateID(t *testing.T) {
	for _, tt := range []struct {
		name    string
		started time.Duration // when the other API server started, relative to start()
		status  int
	}{
		{"the other one started earlier", -time.Hour, http.StatusServiceUnavailable},
		{"the other one started later", time.Second, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustHarness(t)
			r.metrics.MustRegister(r.server)
			r.tick(time.Second)
			for at := time.Second; at < 9*time.Second; at += time.Second {
				r.deliver(at, events.Heartbeat{
					V: 1, Type: events.KindCanary, ID: "api-1", Incarnation: start().Add(tt.started).UnixMilli(), Seq: uint64((at - tt.started).Microseconds()),
				})
				r.tick(at)
			}
			w := r.do("GET", "/readyz")
			if w.Code != tt.status {
				t.Errorf("readyz: got %d, want %d", w.Code, tt.status)
			}
			if p := w.Body.String(); tt.status != http.StatusOK && !strings.Contains(p, "another API server has the id") {
				t.Errorf("readyz does not state the reason: %s", p)
			}
			if c := mustStatus(t, r).Conflict; c == nil || !c.StartedAt.Equal(start().Add(tt.started)) || c.Ready != (tt.status == http.StatusOK) {
				t.Errorf("status: got %+v", c)
			}
			if !strings.Contains(r.do("GET", "/metrics").Body.String(), "rollcall_id_conflict 1\n") {
				t.Error("the metric is not 1")
			}
			r.tick(16 * time.Second)
			if w := r.do("GET", "/readyz"); w.Code != http.StatusOK || mustStatus(t, r).Conflict != nil {
				t.Errorf("readyz: got %d and %+v, 8 s after the last canary of the other one", w.Code, mustStatus(t, r).Conflict)
			}
		})
	}
}

func mustStatus(t *testing.T, r *harness) (s apiserver.Status) {
	t.Helper()
	if err := json.Unmarshal(r.do("GET", "/v1/status").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}
