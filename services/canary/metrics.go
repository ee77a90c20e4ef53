package canary

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	canaries   *prometheus.CounterVec
	reconnects *prometheus.CounterVec
	loss       *prometheus.GaugeVec
}

// newMetrics registers nothing if to is nil.
func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		canaries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_canaries_total",
			Help: "Canaries by nsqd and by what became of them: sent, failed, or lost: sent, and not back within 10 s.",
		}, []string{"nsqd", "result"}),
		reconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_reconnects_total",
			Help: "Connections rebuilt to an nsqd that took canaries and delivered nothing.",
		}, []string{"nsqd"}),
		loss: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_nsqd_loss_ratio",
			Help: "Part of the canaries of the last 5 minutes that the nsqd took and did not deliver; it loses heartbeats likewise.",
		}, []string{"nsqd"}),
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.canaries, m.reconnects, m.loss} {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("canary: register metrics: %w", err)
		}
	}
	return m, nil
}

// forget ends the series of an nsqd that is no longer there.
func (m *metrics) forget(nsqd string) {
	m.canaries.DeletePartialMatch(prometheus.Labels{"nsqd": nsqd})
	m.reconnects.DeleteLabelValues(nsqd)
	m.loss.DeleteLabelValues(nsqd)
}
