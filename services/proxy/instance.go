package proxy

import (
	"sync/atomic"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/proxy/upstream"
)

// instance has the connections to one incarnation of a server at one address. It records when the server responded, and how many requests
// timed out.
type instance struct {
	*upstream.Pool
	id, addr    string
	incarnation int64

	// Times are values of Transport.Now; 0 means never.
	respondedAt atomic.Int64 // when the server last responded
	late        atomic.Int32 // requests that timed out in a row while the server responded to no other request
	reportedAt  atomic.Int64 // when evidence against the server was last reported
}

func (s *service) newInstance(m *events.Server) *instance {
	return &instance{Pool: s.p.upstream.Pool(m.Addr), id: m.ID, addr: m.Addr, incarnation: m.Incarnation}
}

// is reports whether the instance belongs to the server m: the incarnation and the address are the same.
func (in *instance) is(m *events.Server) bool {
	return in.addr == m.Addr && in.incarnation == m.Incarnation
}

// responded records the time of a response of the server. The time is a value of Transport.Now, which changes only a few times per second.
// Most calls find the same time recorded already, and do not write.
func (in *instance) responded(now int64) {
	if in.respondedAt.Load() != now {
		in.respondedAt.Store(now)
	}
}

// lateLimit is the number of consecutive timeouts after which the proxy reports evidence against a server to the registry.
const lateLimit = 5

// timedOut is called for a request that timed out; began is when the request was sent. It returns the outcome for the balancer, and whether
// to report the timeout to the registry as evidence. A server that has responded to another request since then has not failed: only the
// requested resource is slow. If the server has responded to no request since then, timedOut asks for a report after lateLimit timeouts in
// a row, so that the registry probes the server. A timeout counts as a failure only if the server is suspect: a suspect server has
// responded neither to requests nor to probes and has sent no heartbeat.
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
