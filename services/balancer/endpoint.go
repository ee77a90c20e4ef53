package balancer

import (
	"math"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// Endpoint is one server as the balancer knows it. It belongs to the server's id: what is known of it
// survives changes of the membership, also an absence of up to a minute, or for as long as requests
// are in flight. Its methods are safe for concurrent use and do not block.
type Endpoint struct {
	id   string
	hash uint64 // KeyOf(id)

	server   atomic.Pointer[events.Server]
	inFlight atomic.Int64
	failures atomic.Int64 // in a row
	answered atomic.Bool  // since it came back from its last ejection
	load     atomic.Uint64

	// Of the Balancer, under its lock:
	round     uint64    // the Update that named it last
	first     time.Time // when its slow start began; zero if it has none
	left      time.Time // zero while it is a member
	ejected   bool
	until     time.Time // end of the last ejection
	ejections int       // that count for the length of the next one
	report    report
}

// Server is the newest view of the server. It is never nil and must not be changed.
func (e *Endpoint) Server() *events.Server { return e.server.Load() }

// InFlight is the number of requests between Begin and Done.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Load is what the server is thought to be serving for everybody, in requests in flight, as of the last
// Load, Update or Tick of the balancer; see LeastLoad. It is 0 while no server has reported any.
func (e *Endpoint) Load() float64 { return math.Float64frombits(e.load.Load()) }

// Begin counts a request that is about to be sent to the server. Each needs one Done.
func (e *Endpoint) Begin() { e.inFlight.Add(1) }

func (e *Endpoint) member() bool { return e.left.IsZero() }

// renew makes it a server that was not known before, but for the requests in flight.
func (e *Endpoint) renew(now time.Time) {
	e.failures.Store(0)
	e.answered.Store(false)
	e.first = now
	e.ejected, e.until, e.ejections = false, time.Time{}, 0
	e.report = report{}
}
