package pipeline

import (
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
)

// Metrics are the counters of the pipeline.
type Metrics struct {
	stages     *prometheus.CounterVec
	rejected   *prometheus.CounterVec
	unknown    prometheus.Counter
	refused    *prometheus.CounterVec
	queueDelay prometheus.Histogram
}

// NewMetrics registers the counters with to.
func NewMetrics(to prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		stages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_stage_messages_total",
			Help: "Messages by stage and what the stage made of them: passed, dropped, rejected, retried.",
		}, []string{"stage", "outcome"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_heartbeats_rejected_total",
			Help: "Heartbeats that changed nothing, by reason.",
		}, []string{"reason"}),
		unknown: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_heartbeat_unknown_fields_total",
			Help: "Fields of heartbeats that this version does not know and ignores.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_messages_refused_total",
			Help: "Messages that nsqd refused for good, for their size or topic, and that are lost, by kind: events, rejected.",
		}, []string{"messages"}),
		queueDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "rollcall_heartbeat_queue_delay_seconds",
			Help:    "Of heartbeats and canaries, from nsqd's stamp to the first stage, without the skew of their clocks once a canary has shown it.",
			Buckets: []float64{.001, .005, .025, .1, .25, 1, 2.5, 5, 10, 60},
		}),
	}
	for _, c := range []prometheus.Collector{m.stages, m.rejected, m.unknown, m.refused, m.queueDelay} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	for _, r := range events.Reasons() { // a series that exists at zero can be alerted on
		m.rejected.WithLabelValues(string(r))
	}
	return m, nil
}

// stageCounters are the counters of one stage, looked up once because a look-up costs more than a
// count.
type stageCounters [outcomes]prometheus.Counter

func (m *Metrics) of(stage string) *stageCounters {
	var c stageCounters
	for o := range outcomes {
		c[o] = m.stages.WithLabelValues(stage, o.String())
	}
	return &c
}
