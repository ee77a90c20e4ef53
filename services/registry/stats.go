package registry

import (
	"context"
	"time"

	"rollcall/events"
)

// Stats are the registry's own figures, for metrics and status.
type Stats struct {
	Revision    uint64
	Mode        Mode
	ModeSince   time.Time     // zero before the first tick
	ModeDetail  string        // what it means, in words
	Complete    bool          // see Membership
	Conflict    *Conflict     // likewise
	NSQD        []NSQD        // each known nsqd, sorted by address
	SilentRatio float64       // part of the reachable nsqd that is silent
	Unreached   int           // nsqd that this process never reached; they slow no lease
	Grace       time.Duration // how much younger every lease counts because messages are late
	Due         uint64        // heartbeats that were to come, by their seq
	Lost        uint64        // those of them that did not
	LossRate    float64       // of the last one to two minutes
	Suspects    int
	Questions   int                                     // servers that wait to be asked
	Lease       time.Duration                           // what the lease clock shows
	Credited    time.Duration                           // what it has given back, in all
	Heartbeats  map[string]uint64                       // by what became of them: taken, canary, unproven, outdated, stale, full, unmatched
	Transitions map[events.Type]map[events.Cause]uint64 // since the start; whatever can happen is there, at 0
	Mailbox     int                                     // heartbeats that wait
	Outbox      int                                     // events that wait for a broker
	Dropped     uint64                                  // events that waited too long; each is a gap in the revisions
	Tombstones  int
}

// Stats asks the registry for its figures.
func (r *Registry) Stats(ctx context.Context) (Stats, error) {
	return ask(ctx, r, func(s *state) Stats {
		st := s.stats()
		st.Mailbox = len(r.mailbox)
		return st
	})
}

func (s *state) stats() Stats {
	st := Stats{
		Revision:    s.revision,
		Mode:        s.mode,
		ModeSince:   s.modeSince,
		ModeDetail:  s.detail(s.mode),
		Complete:    s.complete,
		Conflict:    s.conflict,
		NSQD:        s.clock.list(),
		SilentRatio: s.clock.silentRatio(),
		Unreached:   s.clock.unreached,
		Grace:       s.clock.grace,
		Due:         s.losses.all.due,
		Lost:        s.losses.all.lost,
		LossRate:    s.losses.recent().rate(),
		Suspects:    s.suspects,
		Questions:   len(s.questions),
		Lease:       s.clock.lease,
		Credited:    s.credited,
		Heartbeats:  make(map[string]uint64, outcomes),
		Transitions: make(map[events.Type]map[events.Cause]uint64, steps),
		Outbox:      len(s.outbox.queue),
		Dropped:     s.outbox.dropped,
		Tombstones:  len(s.graves.stones),
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
