package registry

import (
	"slices"
	"time"

	"rollcall/events"
)

// suspect makes r suspect, if it is not, and has it asked at once.
func (s *state) suspect(r *record, why step, at time.Time, now time.Duration) {
	if !r.suspect {
		if d := r.doubted(); !d.asking {
			d.askAt = min(d.askAt, now) // the pace of one that is well does not count any more
		}
		s.enter(r, events.StateSuspect)
		s.emit(r, why, at, now)
	} else if r.provisional {
		s.emitSuspected(r, at, now)
	}
	s.ask(r, now)
}

// trust ends a suspicion. Of a server that was restored nobody was told that it was suspect.
func (s *state) trust(r *record, why step, at time.Time, now time.Duration) {
	s.enter(r, aliveState(r.view.Weight))
	if r.provisional {
		r.provisional = false
		return
	}
	s.emit(r, why, at, now)
}

// emitSuspected emits the suspicion of a server that was restored as a suspect, once it is more than a precaution.
func (s *state) emitSuspected(r *record, at time.Time, now time.Duration) {
	r.provisional = false
	s.emit(r, stepUnreachable, at, now)
}

// enter changes the state in which readers see the server.
func (s *state) enter(r *record, to events.State) {
	view := *r.view
	view.State = to
	if r.suspect = to == events.StateSuspect; r.suspect {
		s.suspects++
	} else {
		s.suspects--
	}
	r.view = &view
	s.membership, s.vitals = nil, nil
	s.schedule(r, s.clock.last)
}

// end takes a server off the roll and tells why. The caller takes it out of the order.
func (s *state) end(r *record, why step, at time.Time, now time.Duration) {
	s.bury(r, why, at, now)
	s.emit(r, why, at, now)
}

// bury is end without a word.
func (s *state) bury(r *record, why step, at time.Time, now time.Duration) {
	s.tombstones.add(tombstone{
		key: r.key(), incarnation: r.incarnation, ordinal: r.ordinal, why: why, at: at.UnixNano(), ended: now,
	}, now, r.ttl)
	if r.suspect {
		s.suspects--
	}
	s.wheel.remove(r)
	delete(s.servers, r.key())
	if s.services[r.view.Service]--; s.services[r.view.Service] == 0 {
		delete(s.services, r.view.Service)
	}
	s.disclaim(r)
}

// strike takes a server that is buried out of the order.
func (s *state) strike(r *record) {
	if i, ok := slices.BinarySearchFunc(s.order, r, byKey); ok {
		s.order = slices.Delete(s.order, i, i+1)
	}
}

func (s *state) insert(r *record) {
	s.servers[r.key()] = r
	s.services[r.view.Service]++
	s.byAddr[key{r.view.Service, r.view.Addr}] = r
	i, _ := slices.BinarySearchFunc(s.order, r, byKey)
	s.order = slices.Insert(s.order, i, r)
}

// emit makes the event of a step, and with it a new revision.
func (s *state) emit(r *record, why step, at time.Time, now time.Duration) {
	s.emitAs(r, why, r.ordinal, r.round(), at, now)
}

// emitAs is emit for a step that did not happen at the newest heartbeat: see events.EventID.
func (s *state) emitAs(r *record, why step, ordinal, round uint64, at time.Time, now time.Duration) {
	s.revision++
	s.counts.steps[why]++
	s.membership, s.vitals = nil, nil
	view := *r.view
	r.vitals(s.clock.at(now)).apply(&view)
	r.view = &view
	r.changed(change{at.UnixNano(), why})
	typ, cause := why.event()
	e, _ := events.New(typ, events.Transition{
		ID:       events.EventID(typ, view.Service, view.ID, view.Incarnation, ordinal, round),
		Time:     wall(at.UnixNano()),
		Server:   view,
		Cause:    cause,
		Revision: s.revision,
		LastSeen: view.LastSeen,
		Observer: s.cfg.Observer,
	})
	s.outbox.push(e)
}
