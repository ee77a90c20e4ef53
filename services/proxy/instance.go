package proxy

import (
	"sync/atomic"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/proxy/upstream"
	"rollcall/services/registry"
)

// instance is one incarnation of a server at one address: the connections to it, and what requests found out about it.
type instance struct {
	*upstream.Pool
	service     string
	id, addr    string
	incarnation int64

	// Times are Transport.Now; 0 is never.
	answeredAt atomic.Int64 // when the server last answered a request
	late       atomic.Int32 // requests in a row that it did not answer in time, while it answered no other
	reportedAt atomic.Int64 // when evidence against the server was last reported
}

func (s *service) newInstance(m *events.Server) *instance {
	return &instance{Pool: s.p.upstream.Pool(m.Addr), service: s.name, id: m.ID, addr: m.Addr, incarnation: m.Incarnation}
}

// is reports whether m is the same incarnation at the same address.
func (in *instance) is(m *events.Server) bool {
	return in.addr == m.Addr && in.incarnation == m.Incarnation
}

// answered notes that the server answered a request. The clock moves a few times a second, so that most calls write nothing.
func (in *instance) answered(now int64) {
	if in.answeredAt.Load() != now {
		in.answeredAt.Store(now)
	}
}

// lateLimit is how many requests in a row may get no response in time before the registry is told.
const lateLimit = 5

// timedOut judges a server that did not answer a request in time, which was sent at began. That is no failure of a server that answers
// other requests: the endpoint is slow. There may be no other requests, so after lateLimit in a row the registry suspects and probes the
// server. Only a suspect, which has answered neither requests nor probes, and sent no heartbeat, fails.
func (in *instance) timedOut(state events.State, began int64) (outcome balancer.Outcome, report bool) {
	switch {
	case in.answeredAt.Load() >= began:
		in.late.Store(0)
	case state == events.StateSuspect:
		return balancer.Failed, false
	case in.late.Add(1) >= lateLimit:
		in.late.Store(0)
		return balancer.Abandoned, true
	}
	return balancer.Abandoned, false
}

// mayReport reports whether the registry may be told of the server at now: at most once a second.
func (in *instance) mayReport(now int64) bool {
	last := in.reportedAt.Load()
	return (last == 0 || time.Duration(now-last) >= time.Second) && in.reportedAt.CompareAndSwap(last, now)
}

// probe names the server to the registry: by now another server may have its id.
func (in *instance) probe() registry.Probe {
	return registry.Probe{Service: in.service, ID: in.id, Addr: in.addr, Incarnation: in.incarnation}
}
