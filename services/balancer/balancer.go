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

// Balancer chooses among the servers of one service. All methods are safe for concurrent use. Update, Tick, Load and ejections
// exclude each other. Pick, Begin, Stats and a Done that ejects no server do not wait for them.
type Balancer struct {
	cfg       Config
	view      atomic.Pointer[view]
	ejections atomic.Uint64 // since New

	mu        sync.Mutex // protects the fields below and the replacement of view
	round     uint64     // number of the current Update
	started   time.Time  // first Update with a server; zero before
	endpoints map[string]*Endpoint
	members   []*Endpoint       // servers of the membership, sorted by id
	previous  map[Policy]picker // last picker that each policy built
	zone      zone
	earliest  time.Time // earliest end of an ejection; zero if no server is ejected
	reported  bool      // a server has reported its load
	sweptAt   time.Time
}

// New returns a Balancer without servers. It starts nothing. The error is the error of cfg.Validate.
func New(cfg Config) (*Balancer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	b := &Balancer{cfg: cfg, endpoints: make(map[string]*Endpoint), previous: make(map[Policy]picker)}
	b.view.Store(&view{})
	return b, nil
}

// Update replaces the membership: all servers of the service at now, in any order. Of two servers with the same id, the last counts.
// The caller keeps the slice; the servers must not change afterwards.
//
// A server that appears Config.SlowStart or more after the first server begins a slow start, and so does a new incarnation. A server
// that appears earlier may have been there before this process, so its weight is not reduced.
func (b *Balancer) Update(servers []*events.Server, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.round++
	b.sweep(now) // before setMembers: a server that has been absent for too long counts as new
	b.setMembers(servers, now)
	b.rebuild(now)
}

// Tick advances slow starts, ejections and the age of reported loads to now. Call it about four times a second. It is cheap while
// none of these is in progress.
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

// Pick chooses a server for a request with the configured policy. It never returns an endpoint of tried, and returns nil if no other
// server may be used. Only Hash uses key. Pick does not block, except for the mutex of RoundRobin. Call Begin on the result.
func (b *Balancer) Pick(key uint64, tried []*Endpoint) *Endpoint {
	v := b.view.Load()
	return v.pick(v.picker, key, tried)
}

// PickBy is Pick with another policy. The first call for a policy after a change of the candidates builds the picker under the lock.
// The error wraps ErrPolicy. Without an error, the endpoint is nil if no server may be used.
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

// setMembers makes servers the members.
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

// Bounds for the endpoints of servers that left. An endpoint is kept for a while, so that a server that disappears and returns is not
// treated as new, and as long as it has requests in flight. maxLeft bounds the memory if callers forget Done.
const (
	keepLeft   = time.Minute
	sweepEvery = 10 * time.Second
	maxLeft    = 4096
)

// sweep deletes endpoints that left long ago.
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
