package apiserver

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// requestMetrics count the requests and their durations.
type requestMetrics struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newRequestMetrics() *requestMetrics {
	labels := []string{"route", "code"}
	return &requestMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_http_requests_total",
			Help: "Requests to the API by route and status. A long poll has the route ?index, an unknown path the route other.",
		}, labels),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rollcall_http_request_seconds",
			Help:    "From the request's header to the end of the answer, with the wait of a long poll.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300},
		}, labels),
	}
}

func (m *requestMetrics) observe(route string, status int, took time.Duration) {
	code := strconv.Itoa(status)
	m.total.WithLabelValues(route, code).Inc()
	m.seconds.WithLabelValues(route, code).Observe(took.Seconds())
}

// metrics shows what can be had: figures that the registry did not give in time are left out and logged.
func (s *Server) metrics() handler {
	show := promhttp.HandlerFor(s.cfg.Gatherer, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      scrapeLog{s.cfg.Log},
	})
	places := make(chan struct{}, scrapesMost)
	return func(w http.ResponseWriter, r *http.Request) error {
		select { // each scrape holds all the figures until the client has read them
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			return fmt.Errorf("%w: %d scrapes are under way", errBusy, scrapesMost)
		}
		limitWrite(w)
		show.ServeHTTP(w, r)
		return nil
	}
}

type scrapeLog struct{ log *zap.Logger }

func (l scrapeLog) Println(v ...any) {
	l.log.Warn("api: scrape is incomplete", zap.String("error", fmt.Sprint(v...)))
}

// Describe makes a Server a prometheus.Collector.
func (s *Server) Describe(ch chan<- *prometheus.Desc) {
	s.requests.total.Describe(ch)
	s.requests.seconds.Describe(ch)
	s.figures.Describe(ch)
}

// Collect makes a Server a prometheus.Collector. It asks the registry, and waits at most 2 s.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	s.requests.total.Collect(ch)
	s.requests.seconds.Collect(ch)
	s.figures.Collect(ch)
}
