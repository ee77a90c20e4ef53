package balancer

import (
	"math"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// Endpoint is the balancer's state of one server, identified by the server's id. The state survives changes of the membership. If the
// server leaves, the Balancer keeps the state for a minute, or longer while requests are in flight. All methods are safe for concurrent
// use and do not block.
type Endpoint struct {
	server   atomic.Pointer[events.Server] // newest description of the server
	inFlight atomic.Int64                  // requests between Begin and Done
	load     atomic.Uint64                 // estimated load: the bits of a float64
	failures atomic.Int32                  // failures in a row; reset by an answer
	answered atomic.Bool                   // the server has answered since the end of its last ejection

	// The fields below are protected by Balancer.mu. There is an Endpoint for each server, so its size matters: it fills one cache line.
	usability usability // number of the group in which the server is; excluded if it has left
	local     bool      // counted in Balancer.zone.servers
	touched   bool      // in Balancer.touched
	updated   bool      // in the slice of servers of the current Update
	block     int32     // block in the group
	index     int32     // index in the block
	turn      int32     // 1 + index in roundRobin.turns; protected by roundRobin.mu
	past      *past     // nil while nothing of it is set
}

// past is what the Balancer remembers of a server that started late, left, failed, or reported its load.
type past struct {
	startedAt time.Time // start of the slow start; zero if the server has not had a slow start
	leftAt    time.Time // when the server left the membership; zero while it is a member
	ejected   bool      // the server is ejected now
	until     time.Time // end of the last ejection
	ejections int       // number of earlier ejections that determine the duration of the next ejection
	report    report    // load that the current incarnation of the server reported last
}

// Server returns the newest description of the server. It is never nil. The caller must not change it.
func (e *Endpoint) Server() *events.Server { return e.server.Load() }

// InFlight returns the number of requests that Begin has counted and Done has not ended.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Load returns the estimated number of requests in flight at the server from all clients, as of the last Tick of the Balancer. It is 0 if no
// server has reported its load.
func (e *Endpoint) Load() float64 { return math.Float64frombits(e.load.Load()) }

// Begin counts a request that is about to be sent to the server. Each Begin needs one Done.
func (e *Endpoint) Begin() { e.inFlight.Add(1) }

// recall returns e.past, and creates it first if it is nil.
func (e *Endpoint) recall() *past {
	if e.past == nil {
		e.past = &past{}
	}
	return e.past
}

func (e *Endpoint) isMember() bool { return e.past == nil || e.past.leftAt.IsZero() }

func (e *Endpoint) isEjected() bool { return e.past != nil && e.past.ejected }

// restart resets the state for a new incarnation of the server. Requests in flight stay counted.
func (e *Endpoint) restart(now time.Time) {
	e.failures.Store(0)
	e.answered.Store(false)
	e.past = &past{startedAt: now}
}
