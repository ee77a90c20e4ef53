package connlimit

import "github.com/prometheus/client_golang/prometheus"

// Collector returns a collector of metrics about listeners. A key of the map is the value of the label "listener".
func Collector(listeners map[string]*Listener) prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("rollcall_listener_"+name, help, []string{"listener"}, nil)
	}
	return &collector{
		listeners: listeners,
		open:      desc("connections", "Open connections of clients, including idle ones."),
		limit:     desc("connections_max", "Maximum number of open connections of clients."),
		waits:     desc("waits_total", "Number of times a new connection had to wait until another one ended."),
	}
}

type collector struct {
	listeners          map[string]*Listener
	open, limit, waits *prometheus.Desc
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.open, c.limit, c.waits} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for name, l := range c.listeners {
		ch <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(l.Open()), name)
		ch <- prometheus.MustNewConstMetric(c.limit, prometheus.GaugeValue, float64(l.Limit()), name)
		ch <- prometheus.MustNewConstMetric(c.waits, prometheus.CounterValue, float64(l.Waits()), name)
	}
}
