package integration

import "time"

// simNaive is the rule that most would write: who was not heard for ten seconds is gone. It gets what the registry gets,
// when the registry gets it.
type simNaive struct {
	w     *simWorld
	heard []int // step in which a server was heard last; 0 is not on the list
	wrong int   // ends of servers that run
	found simDelays
}

func newSimNaive(w *simWorld) *simNaive { return &simNaive{w: w} }

func (n *simNaive) hear(m simMessage) {
	switch m.kind {
	case simBeat:
		n.heard[m.server] = n.w.now
	case simLeave:
		n.heard[m.server] = 0
	}
}

func (n *simNaive) tick() {
	for server, at := range n.heard {
		if at == 0 || n.w.now-at <= simSteps(10*time.Second) {
			continue
		}
		n.heard[server] = 0
		if s := n.w.servers[server]; s.healthy() {
			n.wrong++
		} else {
			n.found.add(s, n.w.now)
		}
	}
}
