package balancer

import (
	"math"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// Endpoint is the balancer's state of one server, identified by the server's id. The state survives changes of the membership. If the
// server leaves, the Balancer keeps the state for a minute, and as long as requests are in flight. All methods are safe for
// concurrent use and do not block.
type Endpoint struct {
	id   string
	hash uint64 // KeyOf(id)

	server   atomic.Pointer[events.Server]
	inFlight atomic.Int64
	failures atomic.Int64  // in a row
	answered atomic.Bool   // since the end of the last ejection
	load     atomic.Uint64 // bits of a float64

	// Protected by Balancer.mu:
	round     uint64    // number of the last Update that contained the server
	startedAt time.Time // start of the slow start; zero if there is none
	leftAt    time.Time // zero while the server is a member
	ejected   bool
	until     time.Time // end of the last ejection
	ejections int       // ejections that count for the duration of the next one
	report    report
}

// Server returns the newest description of the server. It is never nil. The caller must not change it.
func (e *Endpoint) Server() *events.Server { return e.server.Load() }

// InFlight returns the number of requests between Begin and Done.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Load returns the estimated number of requests in flight at the server from all clients, as of the last Load, Update or Tick of the
// Balancer. It is 0 if no server has reported its load.
func (e *Endpoint) Load() float64 { return math.Float64frombits(e.load.Load()) }

// Begin counts a request that is about to be sent to the server. Each Begin needs one Done.
func (e *Endpoint) Begin() { e.inFlight.Add(1) }

func (e *Endpoint) isMember() bool { return e.leftAt.IsZero() }

// restart resets the state for a new incarnation of the server. Requests in flight stay counted.
func (e *Endpoint) restart(now time.Time) {
	e.failures.Store(0)
	e.answered.Store(false)
	e.startedAt = now
	e.ejected, e.until, e.ejections = false, time.Time{}, 0
	e.report = report{}
}
