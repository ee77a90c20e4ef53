package sim

import "time"

// clockScenarios restart servers whose clocks were set back, so that the new incarnation is lower than the old one.
func clockScenarios() []scenario {
	back := func(part int, by time.Duration) func(*world) {
		return func(w *world) {
			for _, s := range w.pick(len(w.servers) / part) {
				at := w.soon(func() { s.become(crashed) }) + w.moment(time.Second)
				w.at(at, func() { s.restartBack(by) })
				w.at(at+15*time.Second, func() {
					if newest := w.audit.newest[s.key]; newest != s.incarnation {
						w.audit.fail("%s restarted with incarnation %d, but the registry has %d", s.id, s.incarnation, newest)
					}
				})
			}
		}
	}
	const length = faultsBegin + 25*time.Second
	return []scenario{
		{name: "clocks set back at restart for a tenth of the fleet", servers: 200, length: length, alsoUnprobed: true, play: back(10, 25*time.Minute)},
		{name: "clocks set back by 1 h at restart for all of 20", servers: 20, length: length, alsoUnprobed: true, play: back(1, time.Hour)},
		{name: "clocks set back at restart, half of the messages late", servers: 200, length: length, everyNthSeed: 2,
			network: network{late: 0.5, lateBy: 3 * time.Second, copies: 2}, play: back(10, 25*time.Minute)},
	}
}

// restartBack restarts a server whose clock was set back by the given duration, so that the new incarnation is lower than the previous one.
func (s *dataServer) restartBack(by time.Duration) {
	was := s.incarnation
	s.restart()
	s.incarnation, s.clockSetBack = was-by.Milliseconds(), true
}
