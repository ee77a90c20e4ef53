package pipeline_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"rollcall/events"
	"rollcall/pipeline"
)

func TestUnknownFieldsAreCountedAndLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		counters := prometheus.NewRegistry()
		metrics, err := pipeline.NewMetrics(counters)
		if err != nil {
			t.Fatal(err)
		}
		u := pipeline.NewUnknownFields(metrics, zap.New(core))
		h := &events.Heartbeat{Service: "data", ID: "a", Addr: "10.0.0.7:80", Incarnation: 7}
		for range 150 { // 150 reports, one per second, take 2.5 min
			u.Report(h, []string{"colour", "Weight"})
			time.Sleep(time.Second)
		}
		lines := logs.All()
		if len(lines) != 3 {
			t.Fatalf("%d log messages in 2.5 min, want 3", len(lines))
		}
		got := lines[0].ContextMap()
		fields, _ := got["fields"].([]any)
		if got["service"] != "data" || got["id"] != "a" || got["addr"] != "10.0.0.7:80" || !slices.Equal(fields, []any{"colour", "Weight"}) {
			t.Errorf("the log message has %v", got)
		}
		families, err := counters.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "rollcall_heartbeat_unknown_fields_total" {
				continue
			}
			if m := f.GetMetric(); len(m) != 1 || m[0].GetCounter().GetValue() != 300 {
				t.Errorf("got %v, want one series with the value 300", m)
			}
			return
		}
		t.Error("no counter of unknown fields")
	})
}
