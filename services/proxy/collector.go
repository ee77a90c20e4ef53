package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/services/label"
)

// collector computes metrics from the state of the services each time Prometheus scrapes them.
type collector struct {
	p *Proxy

	usable, ejected, panicking, ejections, inFlight, connections, clients *prometheus.Desc
}

func newCollector(p *Proxy) *collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("rollcall_proxy_"+name, help, []string{"service"}, nil)
	}
	return &collector{
		p:           p,
		usable:      desc("usable_servers", "Servers that may get requests: alive, with a weight above 0, and not ejected, in all zones."),
		ejected:     desc("ejected_servers", "Servers that are ejected: they failed, and get no requests for a while."),
		panicking:   desc("panic", "1 while suspect servers get requests too, because too few servers are usable; for other, the number of such services."),
		ejections:   desc("ejections_total", "Ejections of servers."),
		inFlight:    desc("requests_in_flight", "Requests in flight."),
		connections: desc("connections", "Open connections to servers, including idle ones."),
		clients:     prometheus.NewDesc("rollcall_proxy_client_connections", "Open connections of clients, including idle ones.", nil, nil),
	}
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.usable, c.ejected, c.panicking, c.ejections, c.inFlight, c.connections, c.clients} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, service string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), service)
	}
	if clients := c.p.clients.Load(); clients != nil {
		ch <- prometheus.MustNewConstMetric(c.clients, prometheus.GaugeValue, float64(clients.Open()))
	}
	for value, f := range c.p.figures() {
		gauge(c.usable, f.usable, value)
		gauge(c.ejected, f.ejected, value)
		gauge(c.panicking, f.panicking, value)
		ch <- prometheus.MustNewConstMetric(c.ejections, prometheus.CounterValue, float64(f.ejections), value)
		gauge(c.inFlight, f.inFlight, value)
		gauge(c.connections, f.connections, value)
	}
}

// figures has the metrics of one service, or the sums over all services that share the label value "other".
type figures struct {
	usable, ejected, panicking, inFlight, connections int
	ejections                                         uint64
}

func (p *Proxy) figures() map[string]*figures {
	all := make(map[string]*figures)
	if gone := p.metrics.gone.Load(); gone > 0 {
		all[label.Other] = &figures{ejections: gone}
	}
	for _, s := range *p.services.Load() {
		f := all[s.label]
		if f == nil {
			f = new(figures)
			all[s.label] = f
		}
		st := s.balancer.Stats()
		f.usable += st.Usable
		f.ejected += st.Ejected
		f.ejections += st.Ejections
		f.inFlight += int(s.inFlight.Load())
		f.connections += s.connections()
		if st.Panic {
			f.panicking++
		}
	}
	return all
}

// ServiceLabel returns the value of the label "service" in the metrics of a service: the name of the service, or label.Other.
func (p *Proxy) ServiceLabel(service string) string { return p.metrics.labels.Known(service) }
