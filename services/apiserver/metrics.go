package apiserver

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
)

// requestMetrics counts requests and measures their duration.
type requestMetrics struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newRequestMetrics() *requestMetrics {
	labels := []string{"route", "code"}
	return &requestMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_http_requests_total",
			Help: "Requests to the API by route and status. The route of a long poll ends in ?index; an unknown path has the route other.",
		}, labels),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rollcall_http_request_seconds",
			Help:    "Time from the header of a request to the end of the response, including the wait of a long poll.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30, 300},
		}, labels),
	}
}

func (m *requestMetrics) observe(route string, status int, took time.Duration) {
	code := strconv.Itoa(status)
	m.total.WithLabelValues(route, code).Inc()
	m.seconds.WithLabelValues(route, code).Observe(took.Seconds())
}

// sharedGatherer gathers once for all scrapes that run at the same time.
type sharedGatherer struct {
	source prometheus.Gatherer
	group  singleflight.Group
}

// Gather implements prometheus.Gatherer. Several callers can get the same families, so they must not change them.
func (g *sharedGatherer) Gather() ([]*dto.MetricFamily, error) {
	all, err, _ := g.group.Do("", func() (any, error) { return g.source.Gather() })
	families, _ := all.([]*dto.MetricFamily)
	return families, err
}

// metrics serves /metrics. If the registry does not give its figures in time, the response lacks them and the Server logs a warning.
func (s *Server) metrics() handler {
	show := promhttp.HandlerFor(&sharedGatherer{source: s.cfg.Gatherer}, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      scrapeLog{s.cfg.Log},
	})
	running := make(chan struct{}, maxScrapes)
	return func(w http.ResponseWriter, r *http.Request) error {
		select { // bounds the number of scrapes, because a scrape keeps all figures in memory until the client has read them
		case running <- struct{}{}:
			defer func() { <-running }()
		default:
			return fmt.Errorf("%w: %d scrapes are running", errBusy, maxScrapes)
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

// Describe implements prometheus.Collector.
func (s *Server) Describe(ch chan<- *prometheus.Desc) {
	s.requests.total.Describe(ch)
	s.requests.seconds.Describe(ch)
	s.figures.Describe(ch)
}

// Collect implements prometheus.Collector. It waits for the registry for at most 2 s.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	s.requests.total.Collect(ch)
	s.requests.seconds.Collect(ch)
	s.figures.Collect(ch)
}
