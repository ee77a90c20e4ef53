package registry

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rollcall/events"
)

// If many servers are suspect at once, the cause is more likely this process or the network than the servers. Mode holding
// therefore limits expiries. Eureka stops evicting below 85 % of the expected heartbeats for the same reason.
const (
	massPercent = 15 // percentage of all servers; mode holding begins with more suspects than that
	fewServers  = 10 // with fewer servers massSmall and calmSmall replace massPercent and calmPercent
	massSmall   = 50 // massPercent for fewer than fewServers servers
	calmPercent = 10 // percentage of all servers; mode holding ends with no more suspects than that
	calmSmall   = 34 // calmPercent for fewer than fewServers servers
	expiryShare = 10 // one of this many servers may expire per second, unless the mode is normal
)

// settle sets the mode at a tick. The parameter g is the time since the previous tick.
//
//	blind    no message arrives through any nsqd
//	warming  for TTL + interval after a start, or after mode blind
//	holding  from two or more suspects that are more than 15 % of all servers, until at most one server or 10 % is suspect;
//	         with fewer than 10 servers 50 % and 34 % replace 15 % and 10 %
//	normal   otherwise
func (s *state) settle(m moment, g time.Duration) {
	s.refill(g)
	if !s.complete && s.whole(m.at) {
		s.complete, s.membership = true, nil
	}
	if silent := s.clock.silentNSQD(); !slices.Equal(silent, s.silent) {
		s.silent, s.membership = silent, nil
	}
	if s.modeSince.IsZero() {
		s.modeSince = m.at
	}
	blind := s.clock.blind()
	if blind {
		s.warmAt = m.now + s.cfg.TTL + s.cfg.Interval
	}
	switch {
	case blind:
		s.enterMode(ModeBlind, events.CauseBlind, m)
	case m.now < s.warmAt:
		s.enterMode(ModeWarming, events.CauseReceiving, m)
	case s.mass():
		s.enterMode(ModeHolding, events.CauseMass, m)
	default:
		s.enterMode(ModeNormal, events.CauseCalm, m)
	}
}

// mass reports whether so many servers are suspect at once that mode holding begins or continues.
func (s *state) mass() bool {
	percent, calm := massPercent, calmPercent
	if len(s.servers) < fewServers {
		percent, calm = massSmall, calmSmall
	}
	if s.mode == ModeHolding {
		percent = calm
	}
	return s.suspects > 1 && s.suspects*100 > percent*len(s.servers)
}

// refill raises the number of expiries that are allowed now (s.allowance): by a tenth of the fleet per second, so that a fleet that is
// gone expires in ten seconds. The parameter g is the time since the last call. In mode normal the fleet is the number of servers. In
// other modes it is the maximum since the mode was last normal.
func (s *state) refill(g time.Duration) {
	s.fleet = max(s.fleet, len(s.servers))
	if s.mode == ModeNormal {
		s.fleet = len(s.servers)
	}
	perSecond := max(1, float64(s.fleet)/expiryShare)
	s.allowance = min(perSecond, s.allowance+perSecond*g.Seconds())
}

// allow reports whether one more server may expire now. If it may, allow counts the expiry.
func (s *state) allow() bool {
	if s.mode == ModeNormal {
		return true
	}
	if s.allowance < 1 {
		return false
	}
	s.allowance--
	return true
}

// enterMode changes the mode and emits an event.
func (s *state) enterMode(to Mode, why events.Cause, m moment) {
	if to == s.mode {
		return
	}
	from := s.mode
	s.mode, s.modeSince, s.membership = to, m.at, nil
	s.revision++
	s.outbox.push(events.ModeChanged{
		Transition: events.Transition{
			ID:   events.ModeEventID(s.cfg.Observer, m.at, s.revision),
			Time: m.wall(), Cause: why, Revision: s.revision, Observer: s.cfg.Observer,
		},
		Mode: to, Previous: from, Detail: s.detail(to),
	})
}

// modeDetail tells people what the mode m means now.
func (s *state) modeDetail(m Mode) string {
	switch m {
	case ModeBlind:
		return s.blindDetail()
	case ModeWarming:
		return fmt.Sprintf("no server expires by silence until messages have arrived for %v; no action is needed", s.cfg.TTL+s.cfg.Interval)
	case ModeHolding:
		probed := ""
		if s.cfg.Probing {
			probed = "each suspect is probed, and "
		}
		return fmt.Sprintf("%d of %d servers are suspect at once: %sat most a tenth of all servers expires per second", s.suspects, len(s.servers), probed)
	}
	return fmt.Sprintf("%d of %d servers are suspect", s.suspects, len(s.servers))
}

func (s *state) blindDetail() string {
	cause := "the cause is unknown"
	if s.cfg.BlindCause != nil {
		cause = cmp.Or(s.cfg.BlindCause(), cause)
	}
	return fmt.Sprintf("no message has arrived through any of %d nsqd for %v: %s; until messages arrive leases stand still, and a server is removed only if a probe shows that it is gone",
		len(s.clock.nsqds), s.clock.silentAfter(), cause)
}
