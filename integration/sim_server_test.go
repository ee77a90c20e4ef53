package integration

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// simFate is what a server is doing.
type simFate int32

const (
	simRunning  simFate = iota
	simCrashed          // the process is gone: connections are refused
	simVanished         // the host is gone: nothing comes back
	simStopped          // by SIGSTOP: connects, and never answers
	simLeft             // took its leave
)

// simServer beats as a dataserver.Agent does: after 0, 1 and 2 s and then each 5 s +-10 %, through a random nsqd, and
// through the next one if that refuses, or has not answered after 0.4 s.
type simServer struct {
	w      *simWorld
	index  int
	id     string
	key    string // service/id
	addr   string
	fate   atomic.Int32 // a probe asks for it from another goroutine
	since  int          // step since which it holds
	prefix []byte       // of a beat, before its incarnation and seq

	tells       simTells
	told        atomic.Int64 // the incarnation that its listener tells
	incarnation int64
	back        bool // it restarted with an earlier clock
	lingers     bool // it beats after its leave
	seq         uint64
	turn        int // the number of its one valid turn
	began       int // the step in which the beat that is being published began
	order       []int
	tried       int
	broken      [3]bool // its connection to that nsqd: nothing more reaches it until it runs again
}

// simTurn is a server's turn to do something; a server that died meanwhile does not take it.
type simTurn struct{ server, number int }

// simPatience is how long a sender waits for an nsqd.
const simPatience = 400 * time.Millisecond

func newSimServer(w *simWorld, i int, service, id, addr string) *simServer {
	s := &simServer{w: w, index: i, id: id, key: service + "/" + id, addr: addr, order: []int{0, 1, 2}}
	s.prefix = fmt.Appendf(nil, `{"v":1,"service":%q,"id":%q,"addr":%q,"incarnation":`, service, id, addr)
	s.fate.Store(int32(simCrashed))
	return s
}

func (s *simServer) is(f simFate) bool { return simFate(s.fate.Load()) == f }

// healthy reports whether the server runs, and has for a second: whoever asked it before that got no answer.
func (s *simServer) healthy() bool {
	return s.is(simRunning) && s.w.now-s.since >= simSteps(time.Second)
}

func (s *simServer) become(f simFate) {
	s.fate.Store(int32(f))
	s.since = s.w.now
	s.turn++ // whatever it was about to do
	s.tried = 0
}

// appear lets a server that was started some time ago begin to beat.
func (s *simServer) appear(step int) {
	s.become(simRunning)
	s.incarnation = s.w.epoch.Add(-time.Duration(s.w.rng.Int64N(int64(10 * time.Hour)))).UnixMilli()
	s.since = step
	s.plan(step)
}

// The fates that a script gives.

func (s *simServer) die(f simFate) {
	s.become(f)
	s.w.audit.died(s)
}

func (s *simServer) restart() {
	s.become(simRunning)
	s.incarnation = s.w.epoch.Add(time.Duration(s.w.now) * simStep).UnixMilli()
	s.seq = 0
	s.plan(s.w.now)
}

func (s *simServer) resume() {
	s.become(simRunning)
	s.plan(s.w.now)
}

// leave publishes the leave through an nsqd that takes it.
func (s *simServer) leave() {
	s.become(simLeft)
	s.seq++
	for _, n := range s.w.nsqd {
		if n.state == simNSQDUp {
			n.publish(simMessage{server: s.index, kind: simLeave, incarnation: s.incarnation, seq: s.seq})
			return
		}
	}
}

func (s *simServer) plan(step int) {
	s.turn++
	turns := &s.w.turns[step%simHorizon]
	*turns = append(*turns, simTurn{s.index, s.turn})
}

// act begins a beat, or goes on with one whose nsqd did not answer.
func (s *simServer) act(t simTurn) {
	if t.number != s.turn {
		return
	}
	if s.tried == 0 {
		s.began = s.w.now
		s.seq++
		s.w.rng.Shuffle(len(s.order), func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
	}
	for s.tried < len(s.order) {
		n := s.w.nsqd[s.order[s.tried]]
		s.tried++
		switch n.state {
		case simNSQDUp:
			n.publish(s.beat())
			s.next(true)
			return
		case simNSQDHung:
			if !s.broken[n.index] {
				n.socket = append(n.socket, s.beat())
				s.broken[n.index] = true
			}
			if !s.w.network.plain {
				s.plan(s.w.now + simSteps(simPatience))
				return
			}
		}
		if s.w.network.plain {
			s.next(true) // it knows no better
			return
		}
	}
	s.next(false)
}

// next plans the next beat, at once if there was nobody to take this one.
func (s *simServer) next(published bool) {
	s.tried = 0
	interval := simSteps(time.Second)
	if s.seq > 2 && published {
		interval = int(float64(simSteps(5*time.Second)) * (0.9 + 0.2*s.w.rng.Float64()))
	}
	s.plan(max(s.w.now+1, s.began+interval))
}

func (s *simServer) beat() simMessage {
	s.told.Store(s.incarnation)
	return simMessage{server: s.index, kind: simBeat, incarnation: s.incarnation, seq: s.seq}
}

// body is that of a beat or a leave, written into buf.
func (s *simServer) body(buf []byte, m simMessage) []byte {
	buf = strconv.AppendInt(append(buf, s.prefix...), m.incarnation, 10)
	buf = strconv.AppendUint(append(buf, `,"seq":`...), m.seq, 10)
	if m.kind == simLeave {
		buf = append(buf, `,"type":"leave"`...)
	}
	return append(buf, '}')
}
