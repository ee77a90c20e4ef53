package prober

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"rollcall/services/registry"
)

// Prober answers the registry's questions.
type Prober struct {
	cfg      Config
	findings map[registry.Finding]prometheus.Counter // not changed after New
	seconds  prometheus.Histogram
}

// New starts nothing. The error is that of cfg.Validate or of the registration of metrics.
func New(cfg Config) (*Prober, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	p := &Prober{cfg: cfg, findings: make(map[registry.Finding]prometheus.Counter)}
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_probes_total",
		Help: "Probes of suspected servers, by what was found.",
	}, []string{"finding"})
	for _, f := range registry.Findings() {
		p.findings[f] = total.WithLabelValues(string(f))
	}
	p.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "rollcall_probe_seconds",
		Help:    "How long a probe took, with the wait after a refusal.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	})
	if cfg.Metrics != nil {
		for _, c := range []prometheus.Collector{total, p.seconds} {
			if err := cfg.Metrics.Register(c); err != nil {
				return nil, fmt.Errorf("prober: register metrics: %w", err)
			}
		}
	}
	return p, nil
}

// Run answers the probes, each in a goroutine of its own, until ctx ends or the channel of probes is closed, and returns
// nil when its goroutines have. The end of ctx cuts off the probes under way, and they are not reported; at the end of
// the channel they are finished, which takes at most two timeouts and the wait between them.
func (p *Prober) Run(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(p.cfg.Concurrency)
	for {
		select {
		case probe, open := <-p.cfg.Registry.Probes():
			if !open {
				return g.Wait()
			}
			g.Go(func() error { // waits for one that ends
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
	found := p.cfg.Ask(ctx, probe)
	ended := time.Now()
	if ctx.Err() != nil {
		return
	}
	if c := p.findings[found]; c != nil {
		c.Inc()
	}
	p.seconds.Observe(ended.Sub(began).Seconds())
	// An error says that the registry or this prober is at its end: nobody asks any more.
	_ = p.cfg.Registry.Report(ctx, registry.Evidence{
		Probe: probe, Finding: found, Source: registry.SourceProbe, Began: began, Ended: ended,
	})
}
