package proxy

import "github.com/prometheus/client_golang/prometheus"

// collector collects what the services know themselves, at the moment of a scrape.
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
		usable:      desc("usable_servers", "Servers that requests are sent to, before a preference for a zone."),
		ejected:     desc("ejected_servers", "Servers that are not sent requests for a while, because they failed."),
		panicking:   desc("panic", "1 while so few servers are usable that suspects are used too."),
		ejections:   desc("ejections_total", "Ejections of servers that failed."),
		inFlight:    desc("requests_in_flight", "Requests under way."),
		connections: desc("connections", "Connections to servers, the idle ones too."),
		clients:     prometheus.NewDesc("rollcall_proxy_client_connections", "Connections of clients, the idle ones too.", nil, nil),
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
	if front := c.p.front.Load(); front != nil {
		ch <- prometheus.MustNewConstMetric(c.clients, prometheus.GaugeValue, float64(front.open.Load()))
	}
	for name, s := range *c.p.services.Load() {
		st := s.balancer.Stats()
		gauge(c.usable, st.Usable, name)
		gauge(c.ejected, st.Ejected, name)
		gauge(c.panicking, map[bool]int{true: 1}[st.Panic], name)
		ch <- prometheus.MustNewConstMetric(c.ejections, prometheus.CounterValue, float64(st.Ejections), name)
		gauge(c.inFlight, int(s.inFlight.Load()), name)
		gauge(c.connections, s.connections(), name)
	}
}
