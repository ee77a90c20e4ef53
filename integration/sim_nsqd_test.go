package integration

import (
	"fmt"
	"slices"
	"time"
)

// simMessage is one on the heartbeat topic.
type simMessage struct {
	server      int // -1 for a canary
	kind        simKind
	via         int // nsqd
	life        int // of that nsqd: what it had in memory dies with it
	incarnation int64
	seq         uint64
	sent        time.Duration // of a canary, since the start of the world
	stamp       time.Duration // by nsqd, on the world's clock
	came        int           // the step in which the API server received it
}

type simKind uint8

const (
	simBeat simKind = iota
	simLeave
	simCanary
)

type simNSQDState uint8

const (
	simNSQDUp   simNSQDState = iota
	simNSQDHung              // by SIGSTOP: the kernel takes what is written to its sockets
	simNSQDDead
)

// simNSQD stamps messages by a clock of its own and sends them to the API server a moment later.
type simNSQD struct {
	w     *simWorld
	index int
	addr  string
	skew  time.Duration // of its clock
	state simNSQDState
	since int
	life  int
	lag   time.Duration // what a message waits in it

	unreached bool // by the API server, from the start

	socket []simMessage // written to it while it hangs, not stamped yet
	held   []simMessage // stamped, for the API server
	reader int          // step from which the API server is connected

	canaries int // that wait in the socket
}

const (
	simReconnect     = 3 * time.Second  // what the API server takes at most to connect again
	simGivesUp       = 12 * time.Second // it waits so long for an nsqd that hangs,
	simCanaryGivesUp = 3 * time.Second  // and so long where it publishes
	simForgotten     = 60 * time.Second // an nsqd that refuses and that lookupd does not list leaves those that should be heard
)

func newSimNSQD(w *simWorld, i int) *simNSQD {
	return &simNSQD{w: w, index: i, addr: fmt.Sprintf("10.0.0.%d:4150", i+1),
		skew: time.Duration(2*w.rng.Int64N(int64(time.Hour))) - time.Hour}
}

// unreached reports whether senders use an nsqd that the API server has never reached.
func (w *simWorld) unreached() bool {
	return slices.ContainsFunc(w.nsqd, func(n *simNSQD) bool { return n.unreached })
}

func (n *simNSQD) become(s simNSQDState) { n.state, n.since = s, n.w.now }

// The faults that a script makes.

func (n *simNSQD) hang() { n.become(simNSQDHung) }

// resume goes on where hang left off: what waited in the sockets is stamped now. An API server that had given up comes
// back, to what nsqd kept of its channel or to nothing.
func (n *simNSQD) resume() {
	if n.w.now-n.since > simSteps(simGivesUp) {
		n.reader = n.w.now + simWithin(n.w.noise, simReconnect)
		if n.w.noise.IntN(2) == 0 {
			n.held, n.socket = nil, nil
		}
	}
	n.become(simNSQDUp)
	n.reconnectSenders()
	waited := n.socket
	n.socket, n.canaries = nil, 0
	for _, m := range waited {
		n.publish(m)
	}
}

func (n *simNSQD) kill() {
	n.become(simNSQDDead)
	n.life++
	n.held, n.socket, n.canaries = nil, nil, 0
}

// restart is empty and without a channel; the topic keeps what comes until the API server is back.
func (n *simNSQD) restart() {
	n.become(simNSQDUp)
	n.reader = n.w.now + simWithin(n.w.noise, simReconnect)
	n.reconnectSenders()
}

func (n *simNSQD) reconnectSenders() {
	for _, s := range n.w.servers {
		s.broken[n.index] = false
	}
}

// known reports whether the API server expects to hear this nsqd.
func (n *simNSQD) known() bool {
	return n.state != simNSQDDead || n.w.now-n.since < simSteps(simForgotten)
}

// publish takes a message from a sender.
func (n *simNSQD) publish(m simMessage) {
	w := n.w
	m.via, m.life = n.index, n.life
	m.stamp = time.Duration(w.now)*simStep + time.Duration(w.noise.Int64N(int64(simStep)))
	if w.network.loss > 0 && w.noise.Float64() < w.network.loss {
		return
	}
	at := w.now + 1 + w.noise.IntN(2) + simSteps(n.lag)
	if w.network.late > 0 && w.noise.Float64() < w.network.late {
		at += simWithin(w.noise, w.network.lateBy)
	}
	n.send(m, at)
	for range w.network.copies {
		n.send(m, at+simWithin(w.noise, 2*time.Second))
	}
}

func (n *simNSQD) send(m simMessage, at int) {
	flight := &n.w.flight[at%simHorizon]
	*flight = append(*flight, m)
}

// canary takes one from the API server, which gives up the connection to an nsqd that does not answer.
func (n *simNSQD) canary(m simMessage) {
	switch {
	case n.unreached:
	case n.state == simNSQDUp:
		n.publish(m)
	case n.state == simNSQDHung && n.canaries < simSteps(simCanaryGivesUp)/simSteps(time.Second):
		n.canaries++
		n.socket = append(n.socket, m)
	}
}

// arrive is the end of a message's way, unless nsqd stopped or died meanwhile.
func (n *simNSQD) arrive(m simMessage) {
	switch {
	case m.life != n.life, n.unreached:
	case n.state != simNSQDUp || n.w.now < n.reader:
		n.held = append(n.held, m)
	default:
		n.w.api.arrive(m)
	}
}

func (n *simNSQD) flush() {
	if len(n.held) == 0 || n.state != simNSQDUp || n.w.now < n.reader {
		return
	}
	for _, m := range n.held {
		n.w.api.arrive(m)
	}
	n.held = n.held[:0]
}
