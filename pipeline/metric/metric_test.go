package metric_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/pipeline/metric"
)

func TestRegister(t *testing.T) {
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_test_total"})
	if err := metric.Register(nil, "test", counter); err != nil {
		t.Error(err)
	}
	r := prometheus.NewRegistry()
	if err := metric.Register(r, "test", counter); err != nil {
		t.Error(err)
	}
	if all, err := r.Gather(); err != nil || len(all) != 1 {
		t.Errorf("got %v, %v, want one metric", all, err)
	}
	if err := metric.Register(r, "test", counter); err == nil || !strings.HasPrefix(err.Error(), "test: register metrics: ") {
		t.Errorf("got %v, want an error of the component for a duplicate", err)
	}
}
