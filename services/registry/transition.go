package registry

import "rollcall/events"

// The method suspect makes the server r suspect if it is not, emits an event, and requests a probe. If r is suspect already, an event
// is emitted only if no event has reported this suspicion, because r was restored from a snapshot.
func (s *state) suspect(r *record, why step, m moment) {
	if !r.suspect {
		if q := &r.openInquiry().probe; !q.pending {
			q.notBefore = min(q.notBefore, m.now) // the next probe of a server that is not suspect may be far away, so it is brought forward
		}
		s.setState(r, events.StateSuspect)
		s.emit(r, why, m)
	} else if r.provisional {
		s.emitSuspected(r, m)
	}
	s.probes.want(r, m.now)
}

// The method recover ends a suspicion. It emits an event, unless the suspicion is the provisional one of a restored server, which no
// event reported.
func (s *state) recover(r *record, why step, m moment) {
	s.setState(r, aliveState(r.view.Weight))
	if r.provisional {
		r.provisional = false
		return
	}
	s.emit(r, why, m)
}

// emitSuspected reports the provisional suspicion of a restored server by an event, once there is evidence against the server.
func (s *state) emitSuspected(r *record, m moment) {
	r.provisional = false
	s.emit(r, stepUnreachable, m)
}

// setState sets the state of r to suspect, alive or draining, and makes a new view.
func (s *state) setState(r *record, to events.State) {
	view := *r.view
	view.State = to
	if r.suspect = to == events.StateSuspect; r.suspect {
		s.suspects++
	} else {
		s.suspects--
	}
	r.view = &view
	s.changed(r)
	s.schedule(r, s.clock.last)
}

// The method insert adds the server r to the registry, but not to the wheel.
func (s *state) insert(r *record) {
	s.servers[r.key()] = r
	s.byAddr[placeHash(r.view.Service, r.view.Addr)] = r
	s.show(r)
}

// The method remove takes the server r out of the registry, adds a tombstone, and emits an event. The parameter why is the reason.
func (s *state) remove(r *record, why step, m moment) { s.removeAs(r, why, r.edition(), m) }

// removeAs does what remove does, but the caller chooses the edition of the event.
func (s *state) removeAs(r *record, why step, e edition, m moment) {
	s.tombstones.add(tombstone{
		key: r.key(), incarnation: r.incarnation, ordinal: r.ordinal, why: why, at: m.at.UnixNano(), ended: m.now,
	}, m.now, r.ttl)
	if r.suspect {
		s.suspects--
	}
	s.wheel.remove(r)
	delete(s.servers, r.key())
	s.hide(r)
	s.disclaim(r)
	s.emitAs(r, why, e, m)
}

// The type edition is a part of the id of an event. It tells two events of one type and incarnation apart: see events.EventID.
type edition struct{ ordinal, round uint64 }

// The method edition returns the edition for an event that the newest heartbeat of r identifies.
func (r *record) edition() edition { return edition{r.ordinal, r.round()} }

// The method emit puts an event about the server r into the outbox, with a new revision. The parameter why is the step to report.
func (s *state) emit(r *record, why step, m moment) { s.emitAs(r, why, r.edition(), m) }

// emitAs does what emit does, but the caller chooses the edition, because the newest heartbeat of r does not identify the event.
func (s *state) emitAs(r *record, why step, e edition, m moment) {
	s.revision++
	s.counts.steps[why]++
	view := *r.view
	s.vitals(r, s.clock.at(m.now)).Apply(&view)
	r.view = &view
	s.changed(r)
	r.addChange(change{m.at.UnixNano(), why})
	s.outbox.add(unsent{view: r.view, step: why, edition: e, revision: s.revision, at: m.at.UnixNano()})
}
