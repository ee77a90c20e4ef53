package sim

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// fate is the state of a server's process.
type fate int32

const (
	running  fate = iota
	crashed       // the process has ended: the kernel refuses connections
	vanished      // the host has gone: nothing responds
	paused        // stopped by SIGSTOP: the kernel accepts connections, and nothing responds
	left          // the process has ended after its leave
)

// dataServer publishes heartbeats like dataserver.Agent: after 0, 1 and 2 s and then every 5 s +-10 %, through a random nsqd. If an nsqd
// refuses, or does not respond within 0.4 s, the server tries the next nsqd.
type dataServer struct {
	w      *world
	index  int
	id     string
	key    string // the service and the id of the server, as "service/id"
	addr   string
	fate   atomic.Int32 // holds a fate; atomic, because probes read it in other goroutines
	since  int          // step from which the server has its fate
	prefix []byte       // start of the JSON of a heartbeat, up to the incarnation

	identity            identity
	identityIncarnation atomic.Int64 // the incarnation in the responses to probes
	incarnation         int64
	clockSetBack        bool // the server restarted after its clock was set back
	publishesAfterLeave bool // the server publishes heartbeats after its leave
	seq                 uint64
	turn                int // number of the planned turn that is valid; turns with lower numbers are canceled
	began               int // step of the first attempt to publish the current heartbeat
	order               []int
	tried               int
	broken              [3]bool // by index of the nsqd: a heartbeat is stuck in the connection to a hung nsqd; the server sends no more through it until the nsqd is up again
}

// turn is a planned action of a server.
type turn struct{ server, number int }

// publishTimeout is how long a sender waits for an nsqd.
const publishTimeout = 400 * time.Millisecond

func newDataServer(w *world, i int, service, id, addr string) *dataServer {
	s := &dataServer{w: w, index: i, id: id, key: service + "/" + id, addr: addr, order: []int{0, 1, 2}}
	s.prefix = fmt.Appendf(nil, `{"v":1,"service":%q,"id":%q,"addr":%q,"incarnation":`, service, id, addr)
	s.fate.Store(int32(crashed))
	return s
}

func (s *dataServer) is(f fate) bool { return fate(s.fate.Load()) == f }

// healthy reports whether the server has run for a second or more. In its first second, a probe from before its start may still report
// that no process runs.
func (s *dataServer) healthy() bool {
	return s.is(running) && s.w.now-s.since >= steps(time.Second)
}

func (s *dataServer) become(f fate) {
	s.fate.Store(int32(f))
	s.since = s.w.now
	s.turn++ // cancels the turn that the server has planned
	s.tried = 0
}

// appear starts a server at the given step, with a random incarnation from the ten hours before the start of the world.
func (s *dataServer) appear(at int) {
	s.become(running)
	s.incarnation = s.w.epoch.Add(-time.Duration(s.w.rng.Int64N(int64(10 * time.Hour)))).UnixMilli()
	s.since = at
	s.plan(at)
}

func (s *dataServer) die(f fate) {
	s.become(f)
	s.w.audit.expectDetection(s)
}

func (s *dataServer) restart() {
	s.become(running)
	s.incarnation = s.w.epoch.Add(time.Duration(s.w.now) * step).UnixMilli()
	s.seq = 0
	s.plan(s.w.now)
}

func (s *dataServer) resume() {
	s.become(running)
	s.plan(s.w.now)
}

// leave publishes the leave through the first nsqd that runs.
func (s *dataServer) leave() {
	s.become(left)
	s.seq++
	for _, n := range s.w.nsqd {
		if n.state == nsqdUp {
			n.publish(message{server: s.index, kind: leaveMessage, incarnation: s.incarnation, seq: s.seq})
			return
		}
	}
}

func (s *dataServer) plan(at int) {
	s.turn++
	turns := &s.w.turns[at%horizon]
	*turns = append(*turns, turn{s.index, s.turn})
}

// act publishes a heartbeat through the first nsqd that takes it. If an nsqd hangs, act plans a turn in which the server tries the next
// nsqd. If the given turn was canceled, act does nothing.
func (s *dataServer) act(t turn) {
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
		case nsqdUp:
			n.publish(s.heartbeat())
			s.next(true)
			return
		case nsqdHung:
			if !s.broken[n.index] {
				n.socket = append(n.socket, s.heartbeat())
				s.broken[n.index] = true
			}
			if !s.w.network.noFailover {
				s.plan(s.w.now + steps(publishTimeout))
				return
			}
		}
		if s.w.network.noFailover {
			s.next(true) // the server does not know that the heartbeat is lost
			return
		}
	}
	s.next(false)
}

// next plans the next heartbeat: after about 5 s, or after 1 s if no nsqd took the current heartbeat or the server has just started.
func (s *dataServer) next(published bool) {
	s.tried = 0
	interval := steps(time.Second)
	if s.seq > 2 && published {
		interval = int(float64(steps(5*time.Second)) * (0.9 + 0.2*s.w.rng.Float64()))
	}
	s.plan(max(s.w.now+1, s.began+interval))
}

func (s *dataServer) heartbeat() message {
	s.identityIncarnation.Store(s.incarnation)
	return message{server: s.index, kind: heartbeatMessage, incarnation: s.incarnation, seq: s.seq}
}

// body returns the JSON of the given message, a heartbeat or a leave. Each body has memory of its own, because the strings of a decoded
// heartbeat are parts of it.
func (s *dataServer) body(m message) []byte {
	buf := make([]byte, 0, len(s.prefix)+64)
	buf = strconv.AppendInt(append(buf, s.prefix...), m.incarnation, 10)
	buf = strconv.AppendUint(append(buf, `,"seq":`...), m.seq, 10)
	if m.kind == leaveMessage {
		buf = append(buf, `,"type":"leave"`...)
	}
	return append(buf, '}')
}
