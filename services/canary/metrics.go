package canary

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	canaries   *prometheus.CounterVec
	reconnects *prometheus.CounterVec
}

// newMetrics registers nothing if to is nil.
func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		canaries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_canaries_total",
			Help: "Canaries by nsqd and by what became of them: sent or failed.",
		}, []string{"nsqd", "result"}),
		reconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_reconnects_total",
			Help: "Connections rebuilt to an nsqd that took canaries and delivered nothing.",
		}, []string{"nsqd"}),
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.canaries, m.reconnects} {
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
}
