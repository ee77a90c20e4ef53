package apiserver

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/services/label"
	"rollcall/services/registry"
)

// scrapeTimeout bounds how long a scrape waits for the registry. Prometheus itself gives up after 10 s by default.
const scrapeTimeout = 2 * time.Second

// figures is a collector. At each scrape, it reads the counts of the registry and of the connections to nsqd.
type figures struct {
	registry Registry
	nodes    func() []Node
	label    func(service string) string // Config.ServiceLabel; if it is nil, figures.labels determines the values
	labels   *label.Services             // default values of the label "service"

	servers     *prometheus.Desc
	heartbeats  *prometheus.Desc
	transitions *prometheus.Desc
	outbox      *prometheus.Desc
	dropped     *prometheus.Desc
	revision    *prometheus.Desc
	mailbox     *prometheus.Desc
	mode        *prometheus.Desc
	conflict    *prometheus.Desc
	waiting     *prometheus.Desc
	lease       *prometheus.Desc
	credited    *prometheus.Desc
	silent      *prometheus.Desc
	silentRatio *prometheus.Desc
	unreached   *prometheus.Desc
	grace       *prometheus.Desc
	due         *prometheus.Desc
	lost        *prometheus.Desc
	lossRate    *prometheus.Desc
	lag         *prometheus.Desc
	connected   *prometheus.Desc
	messages    *prometheus.Desc
}

func newFigures(cfg Config) *figures {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("rollcall_"+name, help, labels, nil)
	}
	return &figures{
		registry:    cfg.Registry,
		nodes:       cfg.Nodes,
		label:       cfg.ServiceLabel,
		labels:      label.NewServices(),
		servers:     desc("servers", "Registered servers by service and state.", "service", "state"),
		heartbeats:  desc("registry_heartbeats_total", "Heartbeats by the result in the registry.", "result"),
		transitions: desc("transitions_total", "Lifecycle events of servers by type and reason.", "type", "reason"),
		outbox:      desc("outbox_events", "Lifecycle events that wait to be published."),
		dropped:     desc("outbox_dropped_total", "Lifecycle events dropped because too many waited. Each one is a gap in the revisions."),
		revision:    desc("revision", "Revision of the registry. It grows by one with each lifecycle event."),
		mailbox:     desc("mailbox_heartbeats", "Heartbeats that wait for the registry."),
		mode:        desc("registry_mode", "1 for the current mode of the registry, 0 for the others.", "mode"),
		conflict:    desc("id_conflict", "1 while canaries of another API server with the same id arrive."),
		waiting:     desc("probes_waiting", "Servers that wait to be probed."),
		lease:       desc("lease_clock_seconds_total", "Time on the lease clock, by which leases age. It is slower than real time while nsqd are silent."),
		credited:    desc("lease_credit_seconds_total", "Time by which all leases were extended after pauses and silence of nsqd."),
		silent:      desc("nsqd_silent", "1 while no message arrives through the nsqd.", "nsqd"),
		silentRatio: desc("nsqd_silent_ratio", "Ratio of silent nsqd to reachable nsqd. Leases age more slowly by this ratio."),
		unreached:   desc("nsqd_unreached", "Known nsqd to which this process was never connected. They do not slow the lease clock."),
		grace:       desc("lease_grace_seconds", "Time by which all leases are extended because messages arrive late."),
		due:         desc("heartbeats_due_total", "Heartbeats that servers published, by their seq."),
		lost:        desc("heartbeats_lost_total", "Heartbeats that did not arrive, by gaps in seq."),
		lossRate:    desc("heartbeats_loss_ratio", "Ratio of heartbeats of the last one to two minutes that did not arrive."),
		lag:         desc("nsqd_lag_seconds", "Time for which the last message waited in the nsqd.", "nsqd"),
		connected:   desc("nsqd_connected", "1 while this process is connected to the nsqd.", "nsqd"),
		messages:    desc("nsqd_messages_total", "Messages received from the nsqd.", "nsqd"),
	}
}

func (f *figures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		f.servers, f.heartbeats, f.transitions, f.outbox, f.dropped, f.revision, f.mailbox, f.connected, f.messages,
		f.mode, f.conflict, f.waiting, f.lease, f.credited, f.silent, f.lag, f.silentRatio, f.unreached, f.grace,
		f.due, f.lost, f.lossRate,
	} {
		ch <- d
	}
}

func (f *figures) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	f.collectNodes(ch)
	stats, err := f.registry.Stats(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(f.revision, err)
		return
	}
	f.collectStats(ch, stats)
	members, err := f.registry.Members(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(f.servers, err)
		return
	}
	for value, n := range f.byLabel(members) {
		ch <- gauge(f.servers, float64(n.Alive), value, "alive")
		ch <- gauge(f.servers, float64(n.Suspect), value, "suspect")
		ch <- gauge(f.servers, float64(n.Draining), value, "draining")
	}
}

// byLabel adds up the counts of all services for which the label "service" has the same value.
func (f *figures) byLabel(members *registry.Membership) map[string]*Counts {
	valueOf := f.label
	if valueOf == nil {
		f.labels.Retain(func(name string) bool { return members.Service(name) != nil })
		valueOf = f.labels.Of
	}
	sums := make(map[string]*Counts)
	for _, s := range members.Services {
		value := valueOf(s.Name)
		if sums[value] == nil {
			sums[value] = new(Counts)
		}
		sums[value].Add(s.Counts)
	}
	return sums
}

func (f *figures) collectStats(ch chan<- prometheus.Metric, stats registry.Stats) {
	for result, n := range stats.Heartbeats {
		ch <- counter(f.heartbeats, n, result)
	}
	for typ, causes := range stats.Transitions {
		for cause, n := range causes {
			ch <- counter(f.transitions, n, strings.TrimPrefix(string(typ), "rollcall.server."), string(cause))
		}
	}
	ch <- gauge(f.outbox, float64(stats.Outbox))
	ch <- counter(f.dropped, stats.Dropped)
	ch <- gauge(f.revision, float64(stats.Revision))
	ch <- gauge(f.mailbox, float64(stats.Mailbox))
	for _, m := range events.Modes() {
		ch <- gauge(f.mode, number(m == stats.Mode), string(m))
	}
	ch <- gauge(f.conflict, number(stats.Conflict != nil))
	ch <- gauge(f.waiting, float64(stats.ProbesQueued))
	ch <- prometheus.MustNewConstMetric(f.lease, prometheus.CounterValue, stats.Lease.Seconds())
	ch <- prometheus.MustNewConstMetric(f.credited, prometheus.CounterValue, stats.Credited.Seconds())
	ch <- gauge(f.silentRatio, stats.SilentRatio)
	ch <- gauge(f.unreached, float64(stats.Unreached))
	ch <- gauge(f.grace, stats.Grace.Seconds())
	ch <- counter(f.due, stats.Due)
	ch <- counter(f.lost, stats.Lost)
	ch <- gauge(f.lossRate, stats.LossRate)
	for _, n := range stats.NSQD {
		ch <- gauge(f.silent, number(n.Reception == registry.NSQDSilent), n.Address)
		ch <- gauge(f.lag, n.Lag.Seconds(), n.Address)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (f *figures) collectNodes(ch chan<- prometheus.Metric) {
	for _, n := range f.nodes() {
		ch <- gauge(f.connected, number(n.Connected), n.Address)
		ch <- counter(f.messages, n.Received, n.Address)
	}
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(d *prometheus.Desc, v uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}
