package sim

import "time"

// naiveRule is a simple rule for comparison: a server that was silent for ten seconds is gone. naiveRule receives the same messages as the
// registry at the same time.
type naiveRule struct {
	w             *world
	lastHeard     []int // step of the last heartbeat, by index of the server; 0 means that the server is not listed
	falseExpiries int   // number of expiries of servers that run
	detection     detectionTimes
}

func newNaiveRule(w *world) *naiveRule { return &naiveRule{w: w} }

func (n *naiveRule) receive(m message) {
	switch m.kind {
	case heartbeatMessage:
		n.lastHeard[m.server] = n.w.now
	case leaveMessage:
		n.lastHeard[m.server] = 0
	}
}

func (n *naiveRule) tick() {
	for server, at := range n.lastHeard {
		if at == 0 || n.w.now-at <= steps(10*time.Second) {
			continue
		}
		n.lastHeard[server] = 0
		if s := n.w.servers[server]; s.healthy() {
			n.falseExpiries++
		} else {
			n.detection.add(s, n.w.now)
		}
	}
}
