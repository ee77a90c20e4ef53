package balancer

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// Balancer chooses among the servers of one service. All methods are safe for concurrent use. Update, Tick, Load and ejections exclude
// each other by a lock. Pick, Begin and Stats do not take this lock. PickBy and Done take it only in the cases that their comments name.
type Balancer struct {
	cfg       Config
	view      atomic.Pointer[view]
	ejections atomic.Uint64 // number of ejections since New

	mu        sync.Mutex // protects the fields below and the replacement of view
	round     uint64     // number of calls of Update
	started   time.Time  // time of the first Update with a server; zero before that Update
	endpoints map[string]*Endpoint
	members   []*Endpoint       // servers of the membership, sorted by id
	previous  map[Policy]picker // for each policy, the picker that was built last
	zone      zone
	earliest  time.Time // earliest end of the current ejections; zero if no server is ejected
	reported  bool      // at least one server has reported its load
	sweptAt   time.Time // time of the last call of sweep
}

// New returns a Balancer without servers. It starts nothing. The error comes from cfg.Validate.
func New(cfg Config) (*Balancer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	b := &Balancer{cfg: cfg, endpoints: make(map[string]*Endpoint), previous: make(map[Policy]picker)}
	b.view.Store(&view{})
	return b, nil
}

// Update replaces the membership: the slice servers contains all servers of the service at the time now, in any order. If several of them
// have the same id, Update uses the last one. Update does not keep the slice, but the servers themselves must not change afterwards.
//
// A slow start begins for a new incarnation of a server, and for a server that appears Config.SlowStart or more after the first Update
// with a server. A server that appears earlier may have been running before this process started, so its weight is not reduced.
func (b *Balancer) Update(servers []*events.Server, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.round++
	b.sweep(now) // sweep before setMembers, because setMembers treats a server whose endpoint was deleted as new
	b.setMembers(servers, now)
	b.rebuild(now)
}

// Tick advances slow starts, ejections and the age of reported loads to the time now. Call it about four times a second. Tick computes the
// candidates only during a slow start, when an ejection ends, and when the preference for the zone changes. All other calls are cheap.
func (b *Balancer) Tick(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.sweptAt) >= sweepEvery {
		b.sweep(now)
	}
	v := b.view.Load()
	switch {
	case v.stats.Starting > 0,
		!b.earliest.IsZero() && !now.Before(b.earliest),
		b.cfg.Zone != "" && b.zone.preferred(now) != v.local:
		b.rebuild(now)
	default:
		b.estimate(v.candidates, now)
	}
}

// Pick chooses a server for a request with the configured policy. It never returns an endpoint of the slice tried. It returns nil if no
// other server can be used. Only the policy Hash uses the parameter key. Pick does not block, except for the mutex of RoundRobin. Call
// Begin on the result.
func (b *Balancer) Pick(key uint64, tried []*Endpoint) *Endpoint {
	v := b.view.Load()
	return v.pick(v.picker, key, tried)
}

// PickBy is like Pick, but uses the given policy; an empty policy means the configured policy. The first call for a policy after a change
// of the candidates takes the lock and builds the picker. The error wraps ErrPolicy and means that the policy is unknown. If no server can
// be used, PickBy returns nil without an error.
func (b *Balancer) PickBy(policy Policy, key uint64) (*Endpoint, error) {
	v := b.view.Load()
	if policy == "" || policy == b.cfg.Policy {
		return v.pick(v.picker, key, nil), nil
	}
	if !policy.known() {
		return nil, fmt.Errorf("%w: %q", ErrPolicy, policy)
	}
	v, p := b.pickerBy(v, policy)
	return v.pick(p, key, nil), nil
}

// setMembers replaces the members with the given servers. It creates the endpoints of new servers and resets the endpoints of new
// incarnations.
func (b *Balancer) setMembers(servers []*events.Server, now time.Time) {
	members := make([]*Endpoint, 0, len(servers))
	for _, s := range servers {
		if s == nil {
			continue
		}
		e := b.endpoints[s.ID]
		switch {
		case e == nil:
			e = &Endpoint{id: s.ID, hash: KeyOf(s.ID)}
			if !b.started.IsZero() && now.Sub(b.started) >= b.cfg.SlowStart {
				e.startedAt = now
			}
			b.endpoints[s.ID] = e
		case e.Server().Incarnation != s.Incarnation:
			e.restart(now)
		}
		e.server.Store(s)
		e.leftAt = time.Time{}
		if e.round != b.round {
			e.round = b.round
			members = append(members, e)
		}
	}
	for _, e := range b.members {
		if e.round != b.round {
			e.leftAt = now
		}
	}
	if b.started.IsZero() && len(members) > 0 {
		b.started = now
	}
	slices.SortFunc(members, func(a, b *Endpoint) int { return strings.Compare(a.id, b.id) })
	b.members = members
}

// Bounds for the endpoints of servers that left the membership. Such an endpoint is kept for keepLeft, so that a server that disappears and
// returns is not treated as new. It is kept longer while it has requests in flight. maxLeft bounds the memory if callers forget to call
// Done.
const (
	keepLeft   = time.Minute
	sweepEvery = 10 * time.Second
	maxLeft    = 4096
)

// sweep deletes the endpoints that have no requests in flight and whose servers left at least keepLeft ago. If more than maxLeft endpoints
// of servers that left remain, sweep deletes the endpoints of the servers that left first.
func (b *Balancer) sweep(now time.Time) {
	b.sweptAt = now
	if len(b.endpoints) == len(b.members) {
		return
	}
	var left []*Endpoint
	for id, e := range b.endpoints {
		switch {
		case e.isMember():
		case e.InFlight() <= 0 && now.Sub(e.leftAt) >= keepLeft:
			delete(b.endpoints, id)
		default:
			left = append(left, e)
		}
	}
	if len(left) <= maxLeft {
		return
	}
	slices.SortFunc(left, func(a, b *Endpoint) int { return a.leftAt.Compare(b.leftAt) })
	for _, e := range left[:len(left)-maxLeft] {
		delete(b.endpoints, e.id)
	}
}
