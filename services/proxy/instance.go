package proxy

import (
	"sync/atomic"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/proxy/upstream"
)

// instance has the connections to one incarnation of a server at one address, and the results of its requests.
type instance struct {
	*upstream.Pool
	id, addr    string
	incarnation int64

	// Times are values of Transport.Now; 0 is never.
	respondedAt atomic.Int64 // last response of the server
	late        atomic.Int32 // consecutive requests that timed out while the server responded to no other
	reportedAt  atomic.Int64 // last evidence that was reported
}

func (s *service) newInstance(m *events.Server) *instance {
	return &instance{Pool: s.p.upstream.Pool(m.Addr), id: m.ID, addr: m.Addr, incarnation: m.Incarnation}
}

// is reports whether m is the same incarnation at the same address.
func (in *instance) is(m *events.Server) bool {
	return in.addr == m.Addr && in.incarnation == m.Incarnation
}

// responded records a response at now. Now changes a few times a second, so most calls only read.
func (in *instance) responded(now int64) {
	if in.respondedAt.Load() != now {
		in.respondedAt.Store(now)
	}
}

// lateLimit is the number of consecutive timeouts after which evidence is reported to the registry.
const lateLimit = 5

// timedOut returns the outcome of a request that was sent at began and timed out, and whether to report it as evidence. A server that
// responds to other requests has not failed: the requested resource is slow. If there are no other requests, the registry is told after
// lateLimit timeouts in a row, and probes the server. A timeout is a failure only for a suspect, which has responded neither to requests nor
// to probes and has sent no heartbeat.
func (in *instance) timedOut(state events.State, began int64) (outcome balancer.Outcome, report bool) {
	switch {
	case in.respondedAt.Load() >= began:
		in.late.Store(0)
	case state == events.StateSuspect:
		return balancer.Failed, false
	case in.late.Add(1) >= lateLimit:
		in.late.Store(0)
		return balancer.Abandoned, true
	}
	return balancer.Abandoned, false
}
