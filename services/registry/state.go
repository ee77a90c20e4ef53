package registry

import (
	"strings"
	"time"

	"rollcall/events"
)

// state is the set of servers and the transitions of them. It is pure: it uses no goroutine, channel, clock, lock or logger. Its
// time is a Duration on the monotonic clock since its epoch, the first time that it received.
type state struct {
	cfg   Config
	epoch time.Time

	clock leaseClock

	credited time.Duration // sum of all credits
	losses   losses

	servers    map[key]*record
	byAddr     map[key]*record    // key.id is the address
	latest     map[uint64]*record // by hash of an address: the server that was registered there last
	services   map[string]int     // number of servers
	order      []*record          // by service and id, as in Membership
	wheel      wheel
	tombstones tombstones
	ignored    ignoring
	due        []*record // scratch of tick
	ticking    bool      // see removeAs

	suspects  int
	probes    probeScheduler
	mode      Mode
	modeSince time.Time
	warmAt    time.Duration // when warming ends
	allowance float64       // number of servers that may expire now, unless the mode is normal
	fleet     int           // number of servers that allowance grows with: see refill
	complete  bool          // see whole; never becomes false again
	lateAt    leaseTime     // when messages were last late
	silent    []string      // addresses of nsqd; replaced, never changed

	twins    map[int64]*twin // by start of the process
	conflict *Conflict       // or nil; replaced, never changed

	outbox   outbox
	revision uint64

	generation uint64
	membership *Membership // nil after a change
	vitals     []vitals    // nil after a tick or a change
	counts     counts
}

// outcome is the result of a heartbeat or a leave.
type outcome uint8

const (
	outcomeTaken     outcome = iota // it registered, renewed, changed or ended a server
	outcomeCanary                   // it was a canary
	outcomeUnproven                 // it was the first heartbeat of a server that had ended
	outcomeOutdated                 // it was older than what is known, or its incarnation has ended
	outcomeStale                    // it waited in NSQ for its TTL or longer
	outcomeFull                     // the registry is full
	outcomeUnmatched                // it was a leave of an unknown server
	outcomes
)

func (v outcome) String() string {
	return [outcomes]string{"taken", "canary", "unproven", "outdated", "stale", "full", "unmatched"}[v]
}

type counts struct {
	outcomes [outcomes]uint64
	steps    [steps]uint64
}

func newState(cfg Config) *state {
	s := &state{
		cfg:        cfg,
		clock:      newLeaseClock(cfg.Interval, cfg.Tick, cfg.CanaryInterval),
		servers:    make(map[key]*record),
		byAddr:     make(map[key]*record),
		twins:      make(map[int64]*twin),
		latest:     make(map[uint64]*record),
		services:   make(map[string]int),
		wheel:      wheel{tick: cfg.Tick},
		tombstones: newTombstones(cfg.MaxServers),
		ignored:    newIgnoring(cfg.MaxServers),
		outbox:     outbox{max: cfg.Outbox},
		mode:       ModeWarming,
		warmAt:     cfg.TTL + cfg.Interval,

		allowance: 1,
		probes:    probeScheduler{enabled: cfg.Probing, answered: never},
	}
	s.clock.reached = cfg.Reached
	if cfg.Restore != nil {
		s.restore(cfg.Restore)
	}
	return s
}

// since converts t to the time of the state. The first call sets the epoch.
func (s *state) since(t time.Time) time.Duration {
	if s.epoch.IsZero() {
		s.epoch = t
	}
	return t.Sub(s.epoch)
}

// age is since for queries, which do not set the epoch.
func (s *state) age(t time.Time) time.Duration {
	if s.epoch.IsZero() {
		return 0
	}
	return s.since(t)
}

// members returns the current membership. It builds a new one only after a change.
func (s *state) members() *Membership {
	if s.membership == nil {
		servers := make([]*events.Server, len(s.order))
		for i, r := range s.order {
			servers[i] = r.view
		}
		s.generation++
		s.membership = &Membership{
			Revision: s.revision, Generation: s.generation, Mode: s.mode, Complete: s.complete, Silent: s.silent, Conflict: s.conflict, Servers: servers,
		}
	}
	return s.membership
}

// currentVitals returns the vitals of the servers, in the order of members. It computes them once per tick and membership.
func (s *state) currentVitals(now time.Duration) []vitals {
	if s.vitals == nil {
		s.vitals = make([]vitals, len(s.order))
		lease := s.clock.at(now)
		for i, r := range s.order {
			s.vitals[i] = r.vitals(lease)
		}
	}
	return s.vitals
}

func byKey(a, b *record) int {
	if c := strings.Compare(a.view.Service, b.view.Service); c != 0 {
		return c
	}
	return strings.Compare(a.view.ID, b.view.ID)
}
