package dataserver

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	sent, failed prometheus.Counter
	lastSuccess  prometheus.Gauge
}

// newMetrics returns the metrics of an agent. If the registerer is not nil, newMetrics registers them with it.
func newMetrics(to prometheus.Registerer) (*metrics, error) {
	heartbeats, err := register(to, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_agent_heartbeats_total",
		Help: "Heartbeats and leaves published by the agent, by result: sent or failed.",
	}, []string{"result"}))
	if err != nil {
		return nil, err
	}
	lastSuccess, err := register(to, prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_agent_last_success_timestamp_seconds",
		Help: "Unix time of the last heartbeat or leave that was published; 0 before the first.",
	}))
	if err != nil {
		return nil, err
	}
	return &metrics{
		sent:        heartbeats.WithLabelValues("sent"),
		failed:      heartbeats.WithLabelValues("failed"),
		lastSuccess: lastSuccess,
	}, nil
}

// register registers c and returns it. If another agent has registered the same collector, register returns the collector
// of that agent.
func register[C prometheus.Collector](to prometheus.Registerer, c C) (C, error) {
	if to == nil {
		return c, nil
	}
	err := to.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	return c, err
}

func (m *metrics) published(err error, now time.Time) {
	if err != nil {
		m.failed.Inc()
		return
	}
	m.sent.Inc()
	m.lastSuccess.Set(float64(now.UnixMilli()) / 1000)
}
