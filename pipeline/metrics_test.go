package pipeline_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/pipeline"
)

func TestMetricsStartAtZero(t *testing.T) {
	b := mustBench(t)
	for _, r := range events.Reasons() {
		if n := b.rejected(t, r); n != 0 {
			t.Errorf("%s starts at %d", r, n)
		}
	}
	b.Consume("c", "t", newInbox(), returning(nil))
	for o := pipeline.OutcomePassed; o <= pipeline.OutcomeRetried; o++ {
		if n := b.stage(t, "only", o.String()); n != 0 {
			t.Errorf("%s starts at %d", o, n)
		}
	}
}

func TestMetricsCannotBeRegisteredTwice(t *testing.T) {
	to := prometheus.NewRegistry()
	if _, err := pipeline.NewMetrics(to); err != nil {
		t.Fatal(err)
	}
	if _, err := pipeline.NewMetrics(to); err == nil {
		t.Error("NewMetrics registered the same metrics twice")
	}
}
