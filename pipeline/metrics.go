package pipeline

import (
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/pipeline/metric"
)

// Metrics are the metrics of the pipeline.
type Metrics struct {
	stages        *prometheus.CounterVec
	rejected      *prometheus.CounterVec
	unknown       prometheus.Counter
	unpublishable *prometheus.CounterVec
	queueDelay    prometheus.Histogram
}

// NewMetrics creates the metrics and registers them with the parameter to.
func NewMetrics(to prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		stages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_stage_messages_total",
			Help: "Messages by stage and outcome: passed, dropped, rejected or retried.",
		}, []string{"stage", "outcome"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_heartbeats_rejected_total",
			Help: "Heartbeats that a stage rejected or dropped, by reason.",
		}, []string{"reason"}),
		unknown: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_heartbeat_unknown_fields_total",
			Help: "Unknown fields in heartbeats, which are ignored.",
		}),
		unpublishable: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_messages_unpublishable_total",
			Help: "Messages that were dropped because nsqd never accepts them, for example for their size, by kind: events or rejected.",
		}, []string{"messages"}),
		queueDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "rollcall_heartbeat_queue_delay_seconds",
			Help:    "Time that heartbeats and canaries waited in NSQ, corrected for clock skew once a canary has arrived.",
			Buckets: []float64{.001, .005, .025, .1, .25, 1, 2.5, 5, 10, 60},
		}),
	}
	if err := metric.Register(to, "pipeline", m.stages, m.rejected, m.unknown, m.unpublishable, m.queueDelay); err != nil {
		return nil, err
	}
	for _, r := range events.Reasons() { // Prometheus' rate() needs a series that begins at 0
		m.rejected.WithLabelValues(string(r))
	}
	return m, nil
}

// stageCounters has the counters of one stage. They are looked up once, because a lookup costs more than an increment.
type stageCounters [outcomes]prometheus.Counter

func (m *Metrics) of(stage string) *stageCounters {
	var c stageCounters
	for o := range outcomes {
		c[o] = m.stages.WithLabelValues(stage, o.String())
	}
	return &c
}
