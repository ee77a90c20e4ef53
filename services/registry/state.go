package registry

import (
	"strings"
	"time"
)

// state is the set of servers with their transitions. It is pure: it uses no goroutine, channel, clock, lock or logger. Its time
// is a Duration since the epoch, on the monotonic clock. The epoch is the time of the first receipt or tick.
type state struct {
	cfg   Config
	epoch time.Time

	clock leaseClock

	credited time.Duration // sum of the credits, which make leases younger; see lease.go
	losses   losses

	servers    map[key]*record
	byAddr     map[uint64]*record  // by hash of the service and the address: see state.at
	latest     map[uint64]*record  // by hash of an address: the server that was registered last at this address
	services   map[string]*group   // by name; no group is empty
	touched    map[string]struct{} // names of the services that have changed since the slice listed was made
	listed     []*Service          // Membership.Services of the last membership; replaced, never changed
	relisted   []string            // names of the services that listServices has replaced; Run empties it when it has sent them to the watchers
	vias       vias
	wheel      wheel
	tombstones tombstones
	ignored    ignoring
	due        []*record // servers that the current tick judges; the memory is reused
	judged     int       // number of servers in the slice due that the current tick has judged
	dueAt      moment    // time of the current tick

	suspects  int
	probes    probeScheduler
	mode      Mode
	modeSince time.Time
	warmAt    time.Duration // when mode warming ends
	allowance float64       // number of expiries that are allowed now, unless the mode is normal
	fleet     int           // number of servers from which refill computes the allowance
	complete  bool          // the registry knows every server that publishes (see state.whole); never becomes false again
	lateAt    leaseTime     // lease time when messages were last late
	silent    []string      // addresses of the silent nsqd; replaced, never changed

	twins    map[int64]*twin // other processes with the id of this API server, by their start time
	conflict *Conflict       // nil if there is no conflict; replaced, never changed

	outbox   outbox
	revision uint64

	generation     uint64
	restoredSerial uint64      // views with at most this serial are of restored servers whose suspicion is provisional
	serial         uint64      // the last record.serial
	membership     *Membership // last result of the method members; nil after a change
	counts         counts
}

// outcome is the result of applying a message.
type outcome uint8

const (
	outcomeTaken     outcome = iota // the message registered, renewed, changed or removed a server
	outcomeCanary                   // the message was a canary
	outcomeUnproven                 // the message was the first heartbeat of a server that had ended
	outcomeOutdated                 // the message was older than what is known, its incarnation had ended, or another server has its address
	outcomeStale                    // the message waited in NSQ for its TTL or longer
	outcomeFull                     // the message would register a server, but the registry is full
	outcomeUnmatched                // the message was a leave of an unknown server
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
		byAddr:     make(map[uint64]*record),
		twins:      make(map[int64]*twin),
		latest:     make(map[uint64]*record),
		vias:       newVias(),
		services:   make(map[string]*group),
		touched:    make(map[string]struct{}),
		wheel:      wheel{tick: cfg.Tick},
		tombstones: newTombstones(cfg.MaxServers),
		ignored:    newIgnoring(cfg.MaxServers),
		outbox:     outbox{max: cfg.Outbox, observer: cfg.Observer},
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

// The method since converts t to the time of the state. The first call sets the epoch.
func (s *state) since(t time.Time) time.Duration {
	if s.epoch.IsZero() {
		s.epoch = t
	}
	return t.Sub(s.epoch)
}

// The method age converts t to the time of the state for a query. Unlike state.since, it does not set the epoch.
func (s *state) age(t time.Time) time.Duration {
	if s.epoch.IsZero() {
		return 0
	}
	return s.since(t)
}

func byKey(a, b *record) int {
	if c := strings.Compare(a.view.Service, b.view.Service); c != 0 {
		return c
	}
	return strings.Compare(a.view.ID, b.view.ID)
}
