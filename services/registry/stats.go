package registry

import (
	"context"
	"time"

	"rollcall/events"
)

// Stats holds figures of the registry for metrics and /v1/status.
type Stats struct {
	Revision     uint64
	Mode         Mode
	ModeSince    time.Time     // zero before the first tick
	ModeDetail   string        // what the mode means now, and problems with nsqd and delivery, in words
	Complete     bool          // see Membership.Complete
	Conflict     *Conflict     // see Membership.Conflict
	NSQD         []NSQD        // each known nsqd, sorted by address
	SilentRatio  float64       // part of the reachable nsqd that is silent or too late
	Unreached    int           // nsqd that this process never reached; they slow no lease
	Grace        time.Duration // time by which every lease is extended because messages are late
	Due          uint64        // heartbeats that should have arrived, by their seq
	Lost         uint64        // heartbeats that should have arrived, by their seq, and did not
	LossRate     float64       // lost share of the heartbeats of the last one to two minutes
	Suspects     int
	ProbesQueued int                                     // servers that wait for a probe
	Lease        time.Duration                           // time of the lease clock
	Credited     time.Duration                           // total time by which credits made leases younger; see lease.go
	Heartbeats   map[string]uint64                       // by outcome: taken, canary, unproven, outdated, stale, full, unmatched
	Transitions  map[events.Type]map[events.Cause]uint64 // number since the start; every possible transition has an entry
	Mailbox      int                                     // heartbeats that wait for the registry
	Outbox       int                                     // events that wait to be published
	Dropped      uint64                                  // events that a full outbox dropped; each is a gap in the revisions
	Tombstones   int
}

// Stats returns the current figures.
func (r *Registry) Stats(ctx context.Context) (Stats, error) {
	return query(ctx, r, func(s *state) Stats {
		st := s.stats()
		st.Mailbox = len(r.mailbox)
		return st
	})
}

func (s *state) stats() Stats {
	st := Stats{
		Revision:     s.revision,
		Mode:         s.mode,
		ModeSince:    s.modeSince,
		ModeDetail:   s.detail(s.mode),
		Complete:     s.complete,
		Conflict:     s.conflict,
		NSQD:         s.clock.list(),
		SilentRatio:  s.clock.silentRatio(),
		Unreached:    s.clock.unreached,
		Grace:        s.clock.grace,
		Due:          s.losses.all.due,
		Lost:         s.losses.all.lost,
		LossRate:     s.losses.recent().rate(),
		Suspects:     s.suspects,
		ProbesQueued: len(s.probes.queue),
		Lease:        time.Duration(s.clock.lease),
		Credited:     s.credited,
		Heartbeats:   make(map[string]uint64, outcomes),
		Transitions:  make(map[events.Type]map[events.Cause]uint64, steps),
		Outbox:       s.outbox.len(),
		Dropped:      s.outbox.dropped,
		Tombstones:   len(s.tombstones.stones),
	}
	for v := range outcomes {
		st.Heartbeats[v.String()] = s.counts.outcomes[v]
	}
	for why := range steps {
		typ, cause := why.event()
		if st.Transitions[typ] == nil {
			st.Transitions[typ] = make(map[events.Cause]uint64)
		}
		st.Transitions[typ][cause] = s.counts.steps[why]
	}
	return st
}
