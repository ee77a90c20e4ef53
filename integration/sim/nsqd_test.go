package sim

import (
	"fmt"
	"slices"
	"time"
)

// message is a message on the heartbeat topic.
type message struct {
	server      int // index of the server; -1 for a canary
	kind        messageKind
	via         int // index of the nsqd that received the message
	life        int // number of the life of the nsqd that received the message; an nsqd that dies loses the messages of its life
	incarnation int64
	seq         uint64
	sent        time.Duration // time at which a canary was sent, since the start of the world
	stamp       time.Duration // time of arrival at nsqd, on the world's clock
	came        int           // step in which the API server received the message
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
	nsqdHung           // paused by SIGSTOP: the kernel still accepts data for its sockets
	nsqdDead
)

// nsqdNode stamps messages with its own clock, and delivers them to the API server a moment later.
type nsqdNode struct {
	w     *world
	index int
	addr  string
	skew  time.Duration // error of the nsqd's clock
	state nsqdState
	since int
	life  int
	lag   time.Duration // delay of every message

	unreached bool // the API server never connects to this nsqd

	socket []message // messages that the kernel received while nsqd hangs; not stamped yet
	held   []message // stamped messages that wait for the API server
	reader int       // step from which the API server is connected

	canaries int // number of canaries in the socket
}

const (
	reconnectTime   = 3 * time.Second  // longest time until the API server is connected again
	consumerTimeout = 12 * time.Second // time after which the consumer of the API server gives up a hung nsqd
	canaryTimeout   = 3 * time.Second  // time after which the producer of the API server gives up a hung nsqd
	forgetNSQDAfter = 60 * time.Second // time after which the API server forgets an nsqd that refuses connections and that nsqlookupd does not list
)

func newNSQDNode(w *world, i int) *nsqdNode {
	return &nsqdNode{w: w, index: i, addr: fmt.Sprintf("10.0.0.%d:4150", i+1),
		skew: time.Duration(2*w.rng.Int64N(int64(time.Hour))) - time.Hour}
}

// unreached reports whether senders use an nsqd to which the API server never connects.
func (w *world) unreached() bool {
	return slices.ContainsFunc(w.nsqd, func(n *nsqdNode) bool { return n.unreached })
}

func (n *nsqdNode) become(s nsqdState) { n.state, n.since = s, n.w.now }

func (n *nsqdNode) hang() { n.become(nsqdHung) }

// resume ends a hang: nsqd runs again, and stamps the messages that are in its sockets. If the API server has given up the connection in
// the meantime, it connects again after a random delay. In half of these cases nsqd has deleted the channel with its messages.
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

// restart starts nsqd without messages and channels. The topic keeps new messages until the API server is connected.
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

// known reports whether the API server expects messages from this nsqd.
func (n *nsqdNode) known() bool {
	return n.state != nsqdDead || n.w.now-n.since < steps(forgetNSQDAfter)
}

// publish receives a message from a sender, stamps it, and sends it to the API server. The network may lose, delay or repeat the message.
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

// canary receives a canary from the API server. If nsqd hangs, the kernel accepts canaries until the API server closes the connection after
// canaryTimeout.
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

// arrive delivers a message to the API server. If nsqd hangs or the API server is not connected, arrive holds the message. If nsqd has died
// since it received the message, the message is lost.
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
