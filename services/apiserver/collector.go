package apiserver

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/services/label"
	"rollcall/services/registry"
)

// scrapeTimeout bounds what a scrape waits for the registry; Prometheus itself gives up after 10 s.
const scrapeTimeout = 2 * time.Second

// figures collects what the registry and the nsqd links count themselves, at the moment of a scrape.
type figures struct {
	registry Registry
	nodes    func() []Node
	label    func(service string) string // nil: labels are our own
	labels   *label.Services

	servers     *prometheus.Desc
	heartbeats  *prometheus.Desc
	transitions *prometheus.Desc
	outbox      *prometheus.Desc
	dropped     *prometheus.Desc
	revision    *prometheus.Desc
	mailbox     *prometheus.Desc
	mode        *prometheus.Desc
	conflict    *prometheus.Desc
	questions   *prometheus.Desc
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
		servers:     desc("servers", "Servers on the roll.", "service", "state"),
		heartbeats:  desc("registry_heartbeats_total", "Heartbeats by what became of them in the registry.", "result"),
		transitions: desc("transitions_total", "Lifecycle events of servers by type and reason.", "type", "reason"),
		outbox:      desc("outbox_events", "Lifecycle events that wait for a broker."),
		dropped:     desc("outbox_dropped_total", "Lifecycle events that waited too long; each is a gap in the revisions."),
		revision:    desc("revision", "Revision of the roll; grows by one with each lifecycle event."),
		mailbox:     desc("mailbox_heartbeats", "Heartbeats that wait for the registry."),
		mode:        desc("registry_mode", "1 for the mode that the registry is in.", "mode"),
		conflict:    desc("id_conflict", "1 while another API server with the same id is heard."),
		questions:   desc("probe_questions", "Servers that wait to be asked."),
		lease:       desc("lease_clock_seconds_total", "What the clock shows by which leases age; it runs slower than time while nsqd are blind."),
		credited:    desc("lease_credit_seconds_total", "What was given back to every lease after stalls and blindness."),
		silent:      desc("nsqd_silent", "1 while no message arrives through the nsqd.", "nsqd"),
		silentRatio: desc("nsqd_silent_ratio", "Part of the nsqd ever reached through which no message arrives now; leases age more slowly by it."),
		unreached:   desc("nsqd_unreached", "Known nsqd to which this process was never connected and through which no message ever arrived; they slow no lease."),
		grace:       desc("lease_grace_seconds", "How much younger every lease counts because messages are late."),
		due:         desc("heartbeats_due_total", "Heartbeats that were to come, by their seq."),
		lost:        desc("heartbeats_lost_total", "Heartbeats that did not come, by gaps in seq; which nsqd lost them is not known."),
		lossRate:    desc("heartbeats_loss_ratio", "Part of the heartbeats of the last one to two minutes that did not come."),
		lag:         desc("nsqd_lag_seconds", "How long the last message waited in the nsqd.", "nsqd"),
		connected:   desc("nsqd_connected", "1 while the nsqd is connected.", "nsqd"),
		messages:    desc("nsqd_messages_total", "Messages received from the nsqd.", "nsqd"),
	}
}

func (f *figures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		f.servers, f.heartbeats, f.transitions, f.outbox, f.dropped, f.revision, f.mailbox, f.connected, f.messages,
		f.mode, f.conflict, f.questions, f.lease, f.credited, f.silent, f.lag, f.silentRatio, f.unreached, f.grace,
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
	roll, err := f.registry.Members(ctx, registry.Query{})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(f.servers, err)
		return
	}
	for value, n := range f.byLabel(countServices(roll.Servers)) {
		ch <- gauge(f.servers, float64(n.Alive), value, "alive")
		ch <- gauge(f.servers, float64(n.Suspect), value, "suspect")
		ch <- gauge(f.servers, float64(n.Draining), value, "draining")
	}
}

// byLabel adds up the services that share a value of the label service.
func (f *figures) byLabel(services []Service) map[string]*Counts {
	valueOf := f.label
	if valueOf == nil {
		f.labels.Retain(func(name string) bool {
			_, found := slices.BinarySearchFunc(services, name, func(s Service, name string) int { return strings.Compare(s.Name, name) })
			return found
		})
		valueOf = f.labels.Of
	}
	sums := make(map[string]*Counts)
	for _, s := range services {
		value := valueOf(s.Name)
		if sums[value] == nil {
			sums[value] = new(Counts)
		}
		sums[value].Alive += s.Alive
		sums[value].Suspect += s.Suspect
		sums[value].Draining += s.Draining
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
	ch <- gauge(f.questions, float64(stats.Questions))
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
