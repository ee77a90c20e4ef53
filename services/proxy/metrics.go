package proxy

import (
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/pipeline/metric"
	"rollcall/services/balancer"
	"rollcall/services/label"
	"rollcall/services/proxy/upstream"
)

// metrics has the metrics of all services. Services above the limit of label.Services share the label value "other". Requests without a
// service, or to an unknown service, have an empty label value.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	attempts *prometheus.CounterVec
	retries  *prometheus.CounterVec
	refused  *prometheus.CounterVec
	labels   *label.Services
	gone     atomic.Uint64 // ejections of removed services that shared the label value "other"
	keyless  *prometheus.CounterVec
}

func newMetrics(p *Proxy, to prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_proxy_" + name, Help: help}, labels)
	}
	m := &metrics{
		labels:   label.NewServices(),
		requests: counter("requests_total", "Requests to services by status. 499 means that the client closed the connection. Requests to handlers of this process are not counted.", "service", "code"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rollcall_proxy_request_seconds",
			Help:    "Time from the header of a request to the end of its response.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"service"}),
		attempts: counter("attempts_total", "Requests sent to servers by result: answered, status (502 to 504), or the reason for which the attempt ended.", "service", "result"),
		retries:  counter("retries_total", "Retries of requests, each on another server.", "service"),
		refused:  counter("retries_refused_total", "Retries that the retry budget did not allow.", "service"),
		keyless:  counter("requests_without_key_total", "Requests to services with the policy hash that lack the key of proxy.hash. Each goes to a random server.", "service"),
	}
	return m, metric.Register(to, "proxy", m.requests, m.seconds, m.attempts, m.retries, m.refused, m.keyless, newCollector(p))
}

// refuse counts a request that the proxy rejects before the request reaches a service.
func (m *metrics) refuse(status int) { m.requests.WithLabelValues("", strconv.Itoa(status)).Inc() }

// forget deletes the series of a removed service, and releases its label value. The series with the label value "other" stay, because
// several services share them.
func (m *metrics) forget(s *service) {
	if s.label == label.Other {
		m.gone.Add(s.balancer.Stats().Ejections)
		return
	}
	m.labels.Release(s.label)
	of := prometheus.Labels{"service": s.label}
	for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{m.requests, m.seconds, m.attempts, m.retries, m.refused, m.keyless} {
		v.DeletePartialMatch(of)
	}
}

// serviceMetrics has the metrics of one service. They are looked up once per service, because a lookup by label for each request would take
// as long as all other counting for the request.
type serviceMetrics struct {
	of       *metrics
	service  string
	seconds  prometheus.Observer
	answered prometheus.Counter
	retries  prometheus.Counter
	refused  prometheus.Counter
	keyless  prometheus.Counter
	codes    [1000]atomic.Pointer[prometheus.Counter] // counters of requests_total by status; in net/http a status has three digits, so it is below 1000
}

func (m *metrics) service(name string) *serviceMetrics {
	return &serviceMetrics{
		of: m, service: name,
		seconds:  m.seconds.WithLabelValues(name),
		answered: m.attempts.WithLabelValues(name, "answered"),
		retries:  m.retries.WithLabelValues(name),
		refused:  m.refused.WithLabelValues(name),
		keyless:  m.keyless.WithLabelValues(name),
	}
}

func (s *serviceMetrics) attempt(outcome balancer.Outcome, f *upstream.Error) {
	if f == nil && outcome == balancer.Answered {
		s.answered.Inc()
		return
	}
	s.of.attempts.WithLabelValues(s.service, resultOf(f)).Inc()
}

// resultOf returns the value of the label "result" for an attempt that did not succeed. f is nil if the server responded with a status from
// 502 to 504.
func resultOf(f *upstream.Error) string {
	if f == nil {
		return "status"
	}
	for _, e := range []struct {
		err  error
		name string
	}{
		{upstream.ErrConnect, "connect"},        // connection refused, or connect timeout
		{upstream.ErrLate, "late"},              // response timeout, or the server read nothing for the stall timeout
		{upstream.ErrDead, "dead"},              // the registry found the server dead
		{upstream.ErrDrained, "drained"},        // the server left, and the drain time is over
		{upstream.ErrBroken, "broken"},          // connection reset, or an invalid response
		{upstream.ErrClientGone, "client_gone"}, // the client closed the connection, or read nothing for the stall timeout
		{errClientSlow, "client_slow"},          // the client sent nothing for the stall timeout
		{errClientBody, "client_body"},          // the client sent an invalid body
		{errTarget, "client_malformed"},         // the client sent an invalid header field
	} {
		if errors.Is(f.Err, e.err) {
			return e.name
		}
	}
	return "other"
}

func (s *serviceMetrics) observe(status int, took time.Duration) {
	c := s.codes[status].Load()
	if c == nil {
		counter := s.of.requests.WithLabelValues(s.service, strconv.Itoa(status))
		c = &counter
		s.codes[status].Store(c)
	}
	(*c).Inc()
	s.seconds.Observe(took.Seconds())
}
