package registry

import (
	"strings"
	"time"

	"rollcall/events"
)

// state is the roll and what may happen to it. It is pure: no goroutine, channel, clock, lock or
// logger. Its own time is a Duration since the first moment it was told of, on the monotonic clock.
type state struct {
	cfg   Config
	epoch time.Time

	clock leaseClock

	credited time.Duration // in all
	losses   losses

	servers    map[key]*record
	byAddr     map[key]*record    // key.id is an address here
	latest     map[uint64]*record // by the hash of an address, the server that was registered there last
	services   map[string]int     // servers of each
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
	allowance float64       // how many may expire now, while the mode is not normal
	fleet     int           // of which that is a part
	complete  bool          // see whole; stays true
	lateAt    leaseTime     // by the lease clock, when messages were late last
	silent    []string      // nsqd; replaced, never changed

	twins    map[int64]*twin // by the start of the process
	conflict *Conflict       // nil: none; replaced, never changed

	outbox   outbox
	revision uint64

	generation uint64
	membership *Membership // nil after a change
	vitals     []vitals    // nil after a tick or a change
	counts     counts
}

// outcome is what became of a heartbeat.
type outcome uint8

const (
	outcomeTaken     outcome = iota // renewed or changed something
	outcomeCanary                   // a canary: it shows that we hear
	outcomeUnproven                 // the first word of one that had ended
	outcomeOutdated                 // older than what is known, or its incarnation is gone
	outcomeStale                    // waited for its whole TTL
	outcomeFull                     // the roll is full
	outcomeUnmatched                // a leave of nobody that is here
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

// since places t on the state's own time, which begins with the first heartbeat or tick.
func (s *state) since(t time.Time) time.Duration {
	if s.epoch.IsZero() {
		s.epoch = t
	}
	return t.Sub(s.epoch)
}

// age is since for a question, which begins nothing.
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

// currentVitals are parallel to the servers of members, made at most once a tick and membership.
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
