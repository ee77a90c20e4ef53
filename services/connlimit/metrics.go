package connlimit

import "github.com/prometheus/client_golang/prometheus"

// Collector returns the metrics of listeners by their names.
func Collector(listeners map[string]*Listener) prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("rollcall_listener_"+name, help, []string{"listener"}, nil)
	}
	return &collector{
		listeners: listeners,
		open:      desc("connections", "Connections of clients, the idle ones too."),
		most:      desc("connections_max", "Most connections of clients at once."),
		waits:     desc("waits_total", "How often a connection was not accepted before another one ended."),
	}
}

type collector struct {
	listeners         map[string]*Listener
	open, most, waits *prometheus.Desc
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.open, c.most, c.waits} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for name, l := range c.listeners {
		ch <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(l.Open()), name)
		ch <- prometheus.MustNewConstMetric(c.most, prometheus.GaugeValue, float64(l.Most()), name)
		ch <- prometheus.MustNewConstMetric(c.waits, prometheus.CounterValue, float64(l.Waits()), name)
	}
}
