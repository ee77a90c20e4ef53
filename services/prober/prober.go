package prober

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"rollcall/pipeline/metric"
	"rollcall/services/registry"
)

// Prober runs the probes that the registry requests.
type Prober struct {
	cfg      Config
	findings map[registry.Finding]prometheus.Counter // not changed after New
	seconds  prometheus.Histogram
}

// New returns a Prober that does not run yet. New fails if cfg is invalid or a metric cannot be registered.
func New(cfg Config) (*Prober, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	p := &Prober{cfg: cfg, findings: make(map[registry.Finding]prometheus.Counter)}
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_probes_total",
		Help: "Probes of servers, by finding.",
	}, []string{"finding"})
	for _, f := range registry.Findings() {
		p.findings[f] = total.WithLabelValues(string(f))
	}
	p.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "rollcall_probe_seconds",
		Help:    "Duration of probes, with the wait after a refusal.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	})
	if err := metric.Register(cfg.Metrics, "prober", total, p.seconds); err != nil {
		return nil, err
	}
	return p, nil
}

// Run runs each probe in its own goroutine until ctx ends or the registry closes the channel of probes. It returns nil when all
// its goroutines have ended. When ctx ends, Run aborts the running probes and does not report them. When the channel is closed,
// Run completes the running probes. A probe takes at most two attempts (Config.Timeout each), and the wait between the attempts
// (Config.Again).
func (p *Prober) Run(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(p.cfg.Concurrency)
	for {
		select {
		case probe, open := <-p.cfg.Registry.Probes():
			if !open {
				return g.Wait()
			}
			g.Go(func() error { // blocks while Concurrency probes are running
				p.probe(ctx, probe)
				return nil
			})
		case <-ctx.Done():
			return g.Wait()
		}
	}
}

func (p *Prober) probe(ctx context.Context, probe registry.Probe) {
	began := time.Now()
	found := p.cfg.Probe(ctx, probe)
	ended := time.Now()
	if ctx.Err() != nil {
		return
	}
	if c := p.findings[found]; c != nil {
		c.Inc()
	}
	p.seconds.Observe(ended.Sub(began).Seconds())
	// Report fails only if the registry or this prober is stopping, and then nobody needs the finding any more.
	_ = p.cfg.Registry.Report(ctx, registry.Evidence{
		Probe: probe, Finding: found, Source: registry.SourceProbe, Began: began, Ended: ended,
	})
}
