package canary

import (
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/pipeline/metric"
)

type metrics struct {
	canaries   *prometheus.CounterVec
	reconnects *prometheus.CounterVec
	loss       *prometheus.GaugeVec
}

// newMetrics creates the metrics. If the Registerer is not nil, newMetrics registers the metrics with it.
func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		canaries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_canaries_total",
			Help: "Canaries by nsqd and result: sent, failed, or lost (sent, but not returned within 10 s).",
		}, []string{"nsqd", "result"}),
		reconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_reconnects_total",
			Help: "Connections that were rebuilt because the nsqd accepted canaries and delivered nothing.",
		}, []string{"nsqd"}),
		loss: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_nsqd_loss_ratio",
			Help: "Share of the canaries of the last 5 minutes that the nsqd accepted and did not deliver; it loses the same share of heartbeats.",
		}, []string{"nsqd"}),
	}
	return m, metric.Register(to, "canary", m.canaries, m.reconnects, m.loss)
}

// forget deletes the series of an nsqd that was removed.
func (m *metrics) forget(nsqd string) {
	m.canaries.DeletePartialMatch(prometheus.Labels{"nsqd": nsqd})
	m.reconnects.DeleteLabelValues(nsqd)
	m.loss.DeleteLabelValues(nsqd)
}
