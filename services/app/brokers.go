package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/apiserver"
	"rollcall/services/canary"
)

// returnedCanaries receives each canary of this process that has come back from an nsqd, and reports it to the clock skew and to the
// sender.
type returnedCanaries struct {
	skew   *pipeline.ClockSkew
	sender *canary.Sender
}

func (r returnedCanaries) Learn(receipt events.Receipt, sent time.Time) {
	r.skew.Learn(receipt, sent)
	r.sender.Returned(receipt.Via, sent)
}

// addresses returns the address of every known nsqd, in the form that receipts have. If no nsqd is known, the result is empty and not nil:
// nil would mean that the nsqd are unknown.
func addresses(s *nsqpubsub.Subscriber) []string {
	addrs := []string{}
	for _, n := range s.Nodes() {
		addrs = append(addrs, n.Address)
	}
	return addrs
}

// waiting counts the known nsqd that wait for a connection attempt.
func waiting(s *nsqpubsub.Subscriber) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_nsqd_waiting",
		Help: "Known nsqd that wait for a connection attempt, because too many others have never been reached.",
	}, func() float64 { return float64(s.Waiting()) })
}

func nodes(s *nsqpubsub.Subscriber, canaries *canary.Sender) []apiserver.Node {
	var nodes []apiserver.Node
	for _, n := range s.Nodes() {
		node := apiserver.Node{Address: n.Address, Connected: n.Connected, LastMessage: n.LastMessage, Received: n.Received, Loss: canaries.Loss(n.Address)}
		if n.Err != nil {
			node.Error = n.Err.Error()
		}
		nodes = append(nodes, node)
	}
	return nodes
}
