package registry

import (
	"fmt"
	"time"

	"rollcall/events"
)

const (
	twinProof  = 2 * time.Second // for so long canaries of another process must come before they are proof
	twinSilent = 5 * time.Second // without one for so long that process is gone
	maxTwins   = 16              // processes with the same id that are told apart
)

// Conflict says that another API server has the id of this one: its canaries name another start of the process.
type Conflict struct {
	Started time.Time // the start of the other process, by its own clock; of several, the earliest one
	Since   time.Time // when it was heard first
	Yields  bool      // the other one started earlier, so this one is not ready
	Detail  string    // a sentence for people
}

// twin is another process whose canaries have the id of this one.
type twin struct {
	first, last time.Duration // receipts of the canaries: when the proof began, and the newest one
	seq         uint64        // of the first one: microseconds since the start of the process
	proven      bool
}

// meet notes a canary with the id of this API server and the start of another process. A canary from before the start of
// this process is one of its predecessor, which NSQ has kept. The clock of nsqd is not known at first, so its stamp alone
// is no proof: the canaries must come at the pace at which they are sent, and those of a backlog come faster.
func (s *state) meet(h *events.Heartbeat, delay, now time.Duration) {
	if s.cfg.Started.IsZero() || h.ID != s.cfg.Observer || h.Incarnation == s.cfg.Started.UnixMilli() || now-delay < s.since(s.cfg.Started) {
		return
	}
	t := s.twins[h.Incarnation]
	if t == nil {
		if len(s.twins) >= maxTwins {
			return
		}
		t = &twin{first: now, seq: h.Seq}
		s.twins[h.Incarnation] = t
	}
	sent := time.Duration(h.Seq-t.seq) * time.Microsecond
	if received := now - t.first; h.Seq < t.seq || sent > received+time.Second || now-t.last > twinSilent && t.last > 0 {
		t.first, t.seq = now, h.Seq
	} else if received >= twinProof && sent >= twinProof/2 {
		t.proven = true
	}
	t.last = now
}

// settleConflict finds out whether there is a conflict, and tells of a change.
func (s *state) settleConflict(at time.Time, now time.Duration) {
	earliest := int64(0)
	for start, t := range s.twins {
		switch {
		case now-t.last > twinSilent:
			delete(s.twins, start)
		case t.proven && (earliest == 0 || start < earliest):
			earliest = start
		}
	}
	switch {
	case earliest == 0 && s.conflict == nil:
	case earliest == 0:
		ended := *s.conflict
		s.conflict = nil
		ended.Detail = fmt.Sprintf("no other API server with the id %q is heard any more", s.cfg.Observer)
		s.tellConflict(ended, false, at)
	case s.conflict == nil || s.conflict.Started.UnixMilli() != earliest:
		begins := s.conflict == nil
		c := Conflict{Started: time.UnixMilli(earliest).UTC(), Since: wall(at.UnixNano()), Yields: earliest < s.cfg.Started.UnixMilli()}
		if !begins {
			c.Since = s.conflict.Since
		}
		c.Detail = fmt.Sprintf("another API server has the id %q; its process started at %s: give each API server an id of its own",
			s.cfg.Observer, c.Started.Format(time.RFC3339))
		s.conflict, s.membership = &c, nil
		if begins {
			s.tellConflict(c, true, at)
		}
	}
}

func (s *state) tellConflict(c Conflict, begins bool, at time.Time) {
	why := events.CauseCalm
	if begins {
		why = events.CauseDuplicate
	}
	s.revision++
	s.membership = nil
	s.outbox.push(events.ConflictChanged{
		Transition: events.Transition{
			ID:   events.ConflictEventID(s.cfg.Observer, s.cfg.Started, at, s.revision),
			Time: wall(at.UnixNano()), Cause: why, Revision: s.revision, Observer: s.cfg.Observer,
		},
		Conflict: begins, Started: c.Started, Detail: c.Detail,
	})
}
