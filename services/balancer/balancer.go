package balancer

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// Config of a Balancer. The zero value is useful.
type Config struct {
	Policy    Policy        // default P2C
	Zone      string        // where the caller stands: servers of it are preferred; default none
	SlowStart time.Duration // in which a new server's share grows to its full; default 10 s, negative: none
	Panic     int           // percent of the servers: if fewer may be used, suspects are too; default 50, negative: never
	Ejection  Ejection
}

// Ejection is when and for how long a server that fails is not chosen.
type Ejection struct {
	After   int           // failures in a row; default 5, negative: never
	For     time.Duration // the first time, twice as long each time after that; default 5 s
	Longest time.Duration // default 60 s
	Percent int           // of the servers at once, at least one; default 30
}

// Outcome is what became of a request.
type Outcome uint8

const (
	Answered  Outcome = iota // the server did its part
	Failed                   // the server did not: no connection, reset, timeout, 502 to 504
	Abandoned                // it says nothing of the server: the client went, or sent garbage
)

// Policy is a name.
type Policy string

// P2C is the default.
const P2C Policy = "p2c"

// Balancer balances over the servers of one service. All methods are safe for concurrent use.
type Balancer struct {
	mu        sync.Mutex
	endpoints map[string]*Endpoint
	usable    atomic.Pointer[[]*Endpoint]
}

// Endpoint is one server.
type Endpoint struct {
	server   atomic.Pointer[events.Server]
	inFlight atomic.Int64
}

// Server is the newest view.
func (e *Endpoint) Server() *events.Server { return e.server.Load() }

// InFlight is the number of requests.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// New starts nothing.
func New(Config) (*Balancer, error) {
	b := &Balancer{endpoints: make(map[string]*Endpoint)}
	b.usable.Store(new([]*Endpoint))
	return b, nil
}

// Update takes the membership.
func (b *Balancer) Update(servers []*events.Server, _ time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := make(map[string]*Endpoint)
	var usable []*Endpoint
	for _, s := range servers {
		e := b.endpoints[s.ID]
		if e == nil {
			e = &Endpoint{}
		}
		e.server.Store(s)
		seen[s.ID] = e
		if s.State == events.StateAlive {
			usable = append(usable, e)
		}
	}
	b.endpoints = seen
	b.usable.Store(&usable)
}

// Tick moves time on: ramps, ejections.
func (b *Balancer) Tick(time.Time) {}

// Pick chooses.
func (b *Balancer) Pick(_ uint64, tried []*Endpoint) *Endpoint {
	u := *b.usable.Load()
	if len(u) <= len(tried) {
		return nil
	}
	return u[rand.IntN(len(u))]
}

// Begin counts a request.
func (e *Endpoint) Begin() { e.inFlight.Add(1) }

// Done ends what Begin began. It reports whether the server is ejected now.
func (b *Balancer) Done(e *Endpoint, _ Outcome, _ time.Time) (ejected bool) {
	e.inFlight.Add(-1)
	return false
}
