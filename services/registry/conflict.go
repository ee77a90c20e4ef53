package registry

import (
	"fmt"
	"time"

	"rollcall/events"
)

const (
	twinProof  = 2 * time.Second // canaries of another process that arrive for this time prove a conflict
	twinSilent = 5 * time.Second // without a canary for this time the other process counts as gone
	maxTwins   = 16              // maximum number of other processes with the same id
)

// Conflict says that another API server has the same id: canaries with this id name another start of the process.
type Conflict struct {
	Started time.Time // start of the other process, by its own clock; of several, the earliest
	Since   time.Time // when the conflict was detected
	Yields  bool      // this process is not ready, because the other one started earlier
	Detail  string    // a sentence for people
}

// twin is another process with the id of this one.
type twin struct {
	first, last time.Duration // when the first canary of the proof and the newest one were received
	seq         uint64        // of the first canary of the proof, in microseconds since the start of the process
	proven      bool
}

// detectTwin notes a canary with the id of this API server and another start of the process. Canaries from before the start
// of this process come from its predecessor, and were queued in NSQ. The stamp alone does not prove that a canary is new,
// because the clock of nsqd is not known at first. So the canaries must arrive at the pace at which they are sent; those of a
// backlog arrive faster.
func (s *state) detectTwin(h *events.Heartbeat, delay, now time.Duration) {
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

// settleConflict determines whether there is a conflict, and emits an event when that changes.
func (s *state) settleConflict(m moment) {
	earliest := int64(0)
	for start, t := range s.twins {
		switch {
		case m.now-t.last > twinSilent:
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
		ended.Detail = fmt.Sprintf("no other API server has the id %q any more", s.cfg.Observer)
		s.tellConflict(ended, false, m)
	case s.conflict == nil || s.conflict.Started.UnixMilli() != earliest:
		begins := s.conflict == nil
		c := Conflict{Started: time.UnixMilli(earliest).UTC(), Since: m.wall(), Yields: earliest < s.cfg.Started.UnixMilli()}
		if !begins {
			c.Since = s.conflict.Since
		}
		c.Detail = fmt.Sprintf("another API server has the id %q; its process started at %s: give each API server its own id",
			s.cfg.Observer, c.Started.Format(time.RFC3339))
		s.conflict, s.membership = &c, nil
		if begins {
			s.tellConflict(c, true, m)
		}
	}
}

func (s *state) tellConflict(c Conflict, begins bool, m moment) {
	why := events.CauseCalm
	if begins {
		why = events.CauseDuplicate
	}
	s.revision++
	s.membership = nil
	s.outbox.push(events.ConflictChanged{
		Transition: events.Transition{
			ID:   events.ConflictEventID(s.cfg.Observer, s.cfg.Started, m.at, s.revision),
			Time: m.wall(), Cause: why, Revision: s.revision, Observer: s.cfg.Observer,
		},
		Conflict: begins, Started: c.Started, Detail: c.Detail,
	})
}
