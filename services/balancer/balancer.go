package balancer

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Balancer chooses among the servers of one service. All methods are safe for concurrent use. Change, Update, Tick, Load and ejections
// exclude each other by a lock. Pick, PickBy, Begin and Stats do not take this lock. Done takes it only in the case that its comment names.
type Balancer struct {
	cfg       Config
	pickers   map[Policy]picker // a picker for each policy; the map does not change after New
	picker    picker            // picker of Config.Policy
	view      atomic.Pointer[view]
	ejections atomic.Uint64 // number of ejections since New

	mu        sync.Mutex           // protects the fields below and the replacement of view
	started   time.Time            // time of the first Update with a server; zero before that Update
	endpoints map[string]*Endpoint // members, and servers that left a short time ago
	members   int                  // number of servers of the membership
	groups    [usabilities]group   // the servers by usability; the group of excluded servers is empty
	zone      zone
	touched   []change               // servers that have changed since the last commit; the field is of each change is not set yet
	ejected   map[*Endpoint]struct{} // servers that are ejected
	left      []departure            // servers that left and whose endpoint is kept, in the order in which they left
	earliest  time.Time              // earliest end of the current ejections; zero if no server is ejected
	sweptAt   time.Time              // time of the last call of sweep
	loads     loads
}

// New returns a Balancer without servers. It starts nothing. The error comes from cfg.Validate.
func New(cfg Config) (*Balancer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	b := &Balancer{cfg: cfg, endpoints: make(map[string]*Endpoint), pickers: make(map[Policy]picker)}
	for _, p := range Policies() {
		b.pickers[p] = newPicker(p)
	}
	b.picker = b.pickers[cfg.Policy]
	b.view.Store(&view{candidates: &candidates{}, use: [usabilities]bool{here: true, elsewhere: true}})
	return b, nil
}

// Tick advances slow starts, ejections and the age of reported loads to the time now. Call it about four times a second. Its time depends on
// the number of servers only during a slow start and, where servers report their loads, once a second.
func (b *Balancer) Tick(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.sweptAt) >= sweepEvery {
		b.sweep(now)
	}
	ended := b.endEjections(now) // called in every Tick, also while servers are in their slow start
	if ended || b.isStarting() || b.cfg.Zone != "" && b.zone.preferred(now) != b.view.Load().local {
		b.grow(now)
		b.commit(now)
	}
	b.loads.estimateAll(b.view.Load().candidates, now)
}

// Pick chooses a server for a request with the configured policy. It never returns an endpoint of the slice tried. It returns nil if no
// other server can be used. Only the policy Hash uses the parameter key. Pick does not block, except for the mutex of RoundRobin, which is
// held for some milliseconds after 100 000 servers have changed at once. Call Begin on the result.
func (b *Balancer) Pick(key uint64, tried []*Endpoint) *Endpoint {
	return b.view.Load().pick(b.picker, key, tried)
}

// PickBy is like Pick, but uses the given policy; an empty policy means the configured policy. The error wraps ErrPolicy and means that the
// policy is unknown. If no server can be used, PickBy returns nil without an error.
func (b *Balancer) PickBy(policy Policy, key uint64) (*Endpoint, error) {
	p := b.picker
	if policy != "" {
		if p = b.pickers[policy]; p == nil {
			return nil, fmt.Errorf("%w: %q", ErrPolicy, policy)
		}
	}
	return b.view.Load().pick(p, key, nil), nil
}
