package registry

import (
	"fmt"
	"time"

	"rollcall/events"
)

const (
	twinProof  = 2 * time.Second // canaries of another process that arrive for at least this time prove a conflict
	twinSilent = 5 * time.Second // another process counts as gone after this time without a canary from it
	maxTwins   = 16              // maximum number of other processes with the id of this API server that the state tracks
)

// Conflict describes another API server that has the id of this API server: canaries arrive with this id, but with another start time.
type Conflict struct {
	Started time.Time // start of the other process, by its own clock; if there are several, start of the earliest
	Since   time.Time // when the conflict was detected
	Yields  bool      // this process reports that it is not ready, because the other process started earlier
	Detail  string    // a sentence for people
}

// twin is another process that has the id of this API server.
type twin struct {
	first, last time.Duration // when the first canary that counts for the proof, and the newest canary, were received
	seq         uint64        // seq of the first canary that counts as proof of the conflict; the seq of a canary is the microseconds since its sender started
	proven      bool
}

// detectTwin notes a canary that has the id of this API server, but another start time. It ignores a canary that was published
// before the start of this process: the previous process with this id sent it, and it waited in NSQ. The timestamp of nsqd alone
// does not prove that a canary is new, because the difference between our clock and the clock of nsqd is not known at first. So
// the canaries must also arrive at the pace at which they were sent. Canaries that waited in NSQ arrive faster.
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

// settleConflict determines whether there is a conflict. It emits an event when a conflict begins and when it ends.
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
