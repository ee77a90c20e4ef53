package registry

import (
	"slices"

	"rollcall/events"
)

// suspect makes r suspect, if it is not, and has it probed at once.
func (s *state) suspect(r *record, why step, m moment) {
	if !r.suspect {
		if q := &r.openInquiry().probe; !q.pending {
			q.notBefore = min(q.notBefore, m.now) // a server that is not suspect is probed less often
		}
		s.setState(r, events.StateSuspect)
		s.emit(r, why, m)
	} else if r.provisional {
		s.emitSuspected(r, m)
	}
	s.probes.want(r, m.now)
}

// recover ends a suspicion. It emits no event if none reported the suspicion, as for a restored server.
func (s *state) recover(r *record, why step, m moment) {
	s.setState(r, aliveState(r.view.Weight))
	if r.provisional {
		r.provisional = false
		return
	}
	s.emit(r, why, m)
}

// emitSuspected emits the suspicion of a restored server, once there is evidence for it.
func (s *state) emitSuspected(r *record, m moment) {
	r.provisional = false
	s.emit(r, stepUnreachable, m)
}

// setState makes r suspect, or ends that, in the view too.
func (s *state) setState(r *record, to events.State) {
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

// insert adds a server.
func (s *state) insert(r *record) {
	s.servers[r.key()] = r
	s.services[r.view.Service]++
	s.byAddr[key{r.view.Service, r.view.Addr}] = r
	i, _ := slices.BinarySearchFunc(s.order, r, byKey)
	s.order = slices.Insert(s.order, i, r)
}

// remove takes a server out of the registry, leaves a tombstone and emits why.
func (s *state) remove(r *record, why step, m moment) { s.removeAs(r, why, r.edition(), m) }

// removeAs is remove with another edition of the event.
func (s *state) removeAs(r *record, why step, e edition, m moment) {
	s.tombstones.add(tombstone{
		key: r.key(), incarnation: r.incarnation, ordinal: r.ordinal, why: why, at: m.at.UnixNano(), ended: m.now,
	}, m.now, r.ttl)
	if r.suspect {
		s.suspects--
	}
	s.wheel.remove(r)
	delete(s.servers, r.key())
	if s.services[r.view.Service]--; s.services[r.view.Service] == 0 {
		delete(s.services, r.view.Service)
	}
	s.disclaim(r)
	s.emitAs(r, why, e, m)
	if s.ticking { // then tick removes every server that ended from the order, in one pass
		return
	}
	if i, ok := slices.BinarySearchFunc(s.order, r, byKey); ok {
		s.order = slices.Delete(s.order, i, i+1)
	}
}

// edition tells two events of one type and incarnation apart: see events.EventID.
type edition struct{ ordinal, round uint64 }

// edition returns the edition of an event at the newest heartbeat.
func (r *record) edition() edition { return edition{r.ordinal, r.round()} }

// emit puts the event of a step into the outbox. It has a new revision.
func (s *state) emit(r *record, why step, m moment) { s.emitAs(r, why, r.edition(), m) }

// emitAs is emit for a step that is not identified by the newest heartbeat.
func (s *state) emitAs(r *record, why step, e edition, m moment) {
	s.revision++
	s.counts.steps[why]++
	s.membership, s.vitals = nil, nil
	view := *r.view
	r.vitals(s.clock.at(m.now)).apply(&view)
	r.view = &view
	r.addChange(change{m.at.UnixNano(), why})
	typ, cause := why.event()
	event, _ := events.New(typ, events.Transition{
		ID:       events.EventID(typ, view.Service, view.ID, view.Incarnation, e.ordinal, e.round),
		Time:     m.wall(),
		Server:   view,
		Cause:    cause,
		Revision: s.revision,
		LastSeen: view.LastSeen,
		Observer: s.cfg.Observer,
	})
	s.outbox.push(event)
}
