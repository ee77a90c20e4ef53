package sim

import (
	"fmt"
	"slices"
	"time"
)

// message is one on the heartbeat topic.
type message struct {
	server      int // -1 for a canary
	kind        messageKind
	via         int // nsqd
	life        int // of that nsqd: what it had in memory dies with it
	incarnation int64
	seq         uint64
	sent        time.Duration // of a canary, since the start of the world
	stamp       time.Duration // by nsqd, on the world's clock
	came        int           // the step in which the API server received it
}

type messageKind uint8

const (
	heartbeatMessage messageKind = iota
	leaveMessage
	canaryMessage
)

type nsqdState uint8

const (
	nsqdUp   nsqdState = iota
	nsqdHung           // by SIGSTOP: the kernel takes what is written to its sockets
	nsqdDead
)

// nsqdNode stamps messages by a clock of its own and sends them to the API server a moment later.
type nsqdNode struct {
	w     *world
	index int
	addr  string
	skew  time.Duration // of its clock
	state nsqdState
	since int
	life  int
	lag   time.Duration // what a message waits in it

	unreached bool // by the API server, from the start

	socket []message // written to it while it hangs, not stamped yet
	held   []message // stamped, for the API server
	reader int       // step from which the API server is connected

	canaries int // that wait in the socket
}

const (
	reconnectTime   = 3 * time.Second  // what the API server takes at most to connect again
	consumerTimeout = 12 * time.Second // it waits so long for an nsqd that hangs,
	canaryTimeout   = 3 * time.Second  // and so long where it publishes
	forgetNSQDAfter = 60 * time.Second // an nsqd that refuses and that lookupd does not list leaves those that should be heard
)

func newNSQDNode(w *world, i int) *nsqdNode {
	return &nsqdNode{w: w, index: i, addr: fmt.Sprintf("10.0.0.%d:4150", i+1),
		skew: time.Duration(2*w.rng.Int64N(int64(time.Hour))) - time.Hour}
}

// unreached reports whether senders use an nsqd that the API server has never reached.
func (w *world) unreached() bool {
	return slices.ContainsFunc(w.nsqd, func(n *nsqdNode) bool { return n.unreached })
}

func (n *nsqdNode) become(s nsqdState) { n.state, n.since = s, n.w.now }

// The faults that a script makes.

func (n *nsqdNode) hang() { n.become(nsqdHung) }

// resume goes on where hang left off: what waited in the sockets is stamped now. An API server that had given up comes
// back, to what nsqd kept of its channel or to nothing.
func (n *nsqdNode) resume() {
	if n.w.now-n.since > steps(consumerTimeout) {
		n.reader = n.w.now + randomSteps(n.w.noise, reconnectTime)
		if n.w.noise.IntN(2) == 0 {
			n.held, n.socket = nil, nil
		}
	}
	n.become(nsqdUp)
	n.reconnectSenders()
	waited := n.socket
	n.socket, n.canaries = nil, 0
	for _, m := range waited {
		n.publish(m)
	}
}

func (n *nsqdNode) kill() {
	n.become(nsqdDead)
	n.life++
	n.held, n.socket, n.canaries = nil, nil, 0
}

// restart is empty and without a channel; the topic keeps what comes until the API server is back.
func (n *nsqdNode) restart() {
	n.become(nsqdUp)
	n.reader = n.w.now + randomSteps(n.w.noise, reconnectTime)
	n.reconnectSenders()
}

func (n *nsqdNode) reconnectSenders() {
	for _, s := range n.w.servers {
		s.broken[n.index] = false
	}
}

// known reports whether the API server expects to hear this nsqd.
func (n *nsqdNode) known() bool {
	return n.state != nsqdDead || n.w.now-n.since < steps(forgetNSQDAfter)
}

// publish takes a message from a sender.
func (n *nsqdNode) publish(m message) {
	w := n.w
	m.via, m.life = n.index, n.life
	m.stamp = time.Duration(w.now)*step + time.Duration(w.noise.Int64N(int64(step)))
	if w.network.loss > 0 && w.noise.Float64() < w.network.loss {
		return
	}
	at := w.now + 1 + w.noise.IntN(2) + steps(n.lag)
	if w.network.late > 0 && w.noise.Float64() < w.network.late {
		at += randomSteps(w.noise, w.network.lateBy)
	}
	n.send(m, at)
	for range w.network.copies {
		n.send(m, at+randomSteps(w.noise, 2*time.Second))
	}
}

func (n *nsqdNode) send(m message, at int) {
	flight := &n.w.flight[at%horizon]
	*flight = append(*flight, m)
}

// canary takes one from the API server, which gives up the connection to an nsqd that does not answer.
func (n *nsqdNode) canary(m message) {
	switch {
	case n.unreached:
	case n.state == nsqdUp:
		n.publish(m)
	case n.state == nsqdHung && n.canaries < steps(canaryTimeout)/steps(time.Second):
		n.canaries++
		n.socket = append(n.socket, m)
	}
}

// arrive is the end of a message's way, unless nsqd stopped or died meanwhile.
func (n *nsqdNode) arrive(m message) {
	switch {
	case m.life != n.life, n.unreached:
	case n.state != nsqdUp || n.w.now < n.reader:
		n.held = append(n.held, m)
	default:
		n.w.api.arrive(m)
	}
}

func (n *nsqdNode) flush() {
	if len(n.held) == 0 || n.state != nsqdUp || n.w.now < n.reader {
		return
	}
	for _, m := range n.held {
		n.w.api.arrive(m)
	}
	n.held = n.held[:0]
}
