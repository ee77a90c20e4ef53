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

// Balancer balances over the servers of one service. All methods are safe for concurrent use. Update, Tick,
// Load, Stats, and what ejects a server exclude each other; Pick and Begin, and Done but for the
// failures, wait for none of them.
type Balancer struct {
	cfg      Config
	builders map[Policy]Builder
	view     atomic.Pointer[view]
	ejected  atomic.Uint64 // servers, so far

	mu        sync.Mutex // of all below, and of storing a view
	round     uint64     // of Update
	started   time.Time  // when there was a server first; zero before
	endpoints map[string]*Endpoint
	members   []*Endpoint // those on the roll, in order of id
	previous  map[Policy]Picker
	zone      zone
	earliest  time.Time // end of an ejection; zero if there is none
	reported  bool      // some server has said how busy it is
	swept     time.Time // when those that left were last looked through
}

// New makes a balancer without servers, and starts nothing. The error is that of Validate.
func New(cfg Config) (*Balancer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	b := &Balancer{
		cfg:       cfg,
		builders:  builders(cfg.Builders),
		endpoints: make(map[string]*Endpoint),
		previous:  make(map[Policy]Picker),
	}
	b.view.Store(&view{})
	return b, nil
}

// Update takes all servers of the service at now, in any order; of two with the same id the last counts.
// The slice stays the caller's, the servers are kept. A server that comes Config.SlowStart or more after the
// first one, and one of a new incarnation, has its slow start: before that it may have been there all the time.
func (b *Balancer) Update(servers []*events.Server, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.round++
	b.sweep(now) // first: who has been gone for too long is new
	b.enter(servers, now)
	b.rebuild(now)
}

// Tick moves time on: slow starts, ends of ejections, the age of what the servers reported. It is to be
// called about four times a second, and is cheap while nothing of that is under way.
func (b *Balancer) Tick(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.swept) >= sweepEvery {
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

// Pick chooses the server for a request by the policy of the configuration, and never one of tried. It
// returns nil if there is none. It does not block, but for the moment that RoundRobin takes for a turn. Only
// Hash looks at key. Call Begin on what it returns.
func (b *Balancer) Pick(key uint64, tried []*Endpoint) *Endpoint {
	v := b.view.Load()
	return v.pick(v.picker, key, tried)
}

// PickBy chooses as Pick does but by another policy, over the same candidates. The first call for a policy
// after a change of the candidates builds its picker, under the lock. The error is ErrPolicy, with the
// name; without an error the endpoint is nil if there is none.
func (b *Balancer) PickBy(policy Policy, key uint64) (*Endpoint, error) {
	v := b.view.Load()
	if policy == "" || policy == b.cfg.Policy {
		return v.pick(v.picker, key, nil), nil
	}
	if _, ok := b.builders[policy]; !ok {
		return nil, fmt.Errorf("%w: %q", ErrPolicy, policy)
	}
	v, p := b.pickerBy(v, policy)
	return v.pick(p, key, nil), nil
}

// enter makes servers the members.
func (b *Balancer) enter(servers []*events.Server, now time.Time) {
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
				e.first = now
			}
			b.endpoints[s.ID] = e
		case e.Server().Incarnation != s.Incarnation:
			e.renew(now)
		}
		e.server.Store(s)
		e.left = time.Time{}
		if e.round != b.round {
			e.round = b.round
			members = append(members, e)
		}
	}
	for _, e := range b.members {
		if e.round != b.round {
			e.left = now
		}
	}
	if b.started.IsZero() && len(members) > 0 {
		b.started = now
	}
	slices.SortFunc(members, func(a, b *Endpoint) int { return strings.Compare(a.id, b.id) })
	b.members = members
}

// Who left is remembered for a minute, so that a server that is lost and found is not new, and for as long
// as it has requests. Should callers forget Done, there is still a bound.
const (
	remember   = time.Minute
	sweepEvery = 10 * time.Second
	maxGone    = 4096
)

// sweep forgets those that left long ago.
func (b *Balancer) sweep(now time.Time) {
	b.swept = now
	if len(b.endpoints) == len(b.members) {
		return
	}
	var gone []*Endpoint
	for id, e := range b.endpoints {
		switch {
		case e.member():
		case e.InFlight() <= 0 && now.Sub(e.left) >= remember:
			delete(b.endpoints, id)
		default:
			gone = append(gone, e)
		}
	}
	if len(gone) <= maxGone {
		return
	}
	slices.SortFunc(gone, func(a, b *Endpoint) int { return a.left.Compare(b.left) })
	for _, e := range gone[:len(gone)-maxGone] {
		delete(b.endpoints, e.id)
	}
}
