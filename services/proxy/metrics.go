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

// metrics are those of all services; services beyond the limit of label.Services share the value other. Requests that are for none, or for one without a server, are counted as of the service "".
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	attempts *prometheus.CounterVec
	retries  *prometheus.CounterVec
	refused  *prometheus.CounterVec
	labels   *label.Services
	gone     atomic.Uint64 // ejections of services that shared the value other and are gone
	keyless  *prometheus.CounterVec
}

func newMetrics(p *Proxy, to prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_proxy_" + name, Help: help}, labels)
	}
	m := &metrics{
		labels:   label.NewServices(),
		requests: counter("requests_total", "Requests to services by status; 499: the client was gone. Those to handlers inside the process are not counted.", "service", "code"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rollcall_proxy_request_seconds",
			Help:    "From the header of a request to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"service"}),
		attempts: counter("attempts_total", "Requests sent to servers, by what became of them: answered, a status of 502 to 504, or what ended them.", "service", "result"),
		retries:  counter("retries_total", "Further attempts.", "service"),
		refused:  counter("retries_refused_total", "Further attempts that the budget did not allow.", "service"),
		keyless:  counter("requests_without_key_total", "Requests to services with the policy hash that lack the key of proxy.hash. Each goes to a random server.", "service"),
	}
	return m, metric.Register(to, "proxy", m.requests, m.seconds, m.attempts, m.retries, m.refused, m.keyless, newCollector(p))
}

// refuse counts a request that was for no service.
func (m *metrics) refuse(status int) { m.requests.WithLabelValues("", strconv.Itoa(status)).Inc() }

// forget drops the series of a service that is gone, and makes room for another one. What other counts stays.
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

// serviceMetrics are those of one service, looked up once: by label each costs as much as the counting of a whole request.
type serviceMetrics struct {
	of       *metrics
	service  string
	seconds  prometheus.Observer
	answered prometheus.Counter
	retries  prometheus.Counter
	refused  prometheus.Counter
	keyless  prometheus.Counter
	codes    [1000]atomic.Pointer[prometheus.Counter] // net/http takes a status of three digits
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

// resultOf names what ended an attempt.
func resultOf(f *upstream.Error) string {
	if f == nil {
		return "status"
	}
	for _, e := range []struct {
		err  error
		name string
	}{
		{upstream.ErrConnect, "connect"},        // refused, or not within the connect timeout
		{upstream.ErrLate, "late"},              // the response timeout, or a server that took nothing for the stall timeout
		{upstream.ErrDead, "dead"},              // found so by the registry
		{upstream.ErrDrained, "drained"},        // the time that a server has that left
		{upstream.ErrBroken, "broken"},          // reset, or no HTTP
		{upstream.ErrClientGone, "client_gone"}, // or it took nothing for the stall timeout
		{errClientSlow, "client_slow"},          // it sent nothing for the stall timeout
		{errClientBody, "client_body"},          // it sent what is no body
		{errTarget, "client_malformed"},         // it sent what cannot be passed on
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
