package registry

import "time"

// firstOf returns the record of the first server.
func firstOf(s *state) *record {
	for r := range s.records() {
		return r
	}
	return nil
}

// vitalsOf returns the vitals of the first server at the time of the last tick or message.
func vitalsOf(s *state) Vitals { return s.vitals(firstOf(s), s.clock.at(s.clock.last)) }

// snapshotOf returns what Registry.Snapshot returns.
func snapshotOf(s *state, now time.Time) *Snapshot {
	saved := s.snapshotHead(now)
	for _, b := range blocksOf(s.members().Services) {
		s.save(b, saved, now)
	}
	return saved
}

// The method tick applies a whole tick in one step.
func (s *state) tick(at time.Time, nsqd []string) {
	s.beginTick(at, nsqd)
	for s.judgeDue(judgeStep) {
	}
}
