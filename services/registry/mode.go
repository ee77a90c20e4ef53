package registry

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rollcall/events"
)

// The mass guard. Many suspects at once say more of us, or of what is between, than of them: Eureka stops evicting
// below 85 % of the expected heartbeats, and so does this.
const (
	massPercent = 15 // of the roll
	smallRoll   = 10 // below it, massSmall
	massSmall   = 50
	calmPercent = 10 // where holding ends
	calmSmall   = 34
	expiryShare = 10 // the roll divided by it may expire in a second while the mode is not normal
)

// settle finds out the mode of this tick.
//
//	blind    nothing comes through any nsqd
//	warming  until TTL + interval after a start, or after blind
//	holding  more than 15 % of the roll is suspect (under 10 servers half), until it is at most 10 % (a third)
//	normal   else
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

// mass reports whether too many servers are suspect at once.
func (s *state) mass() bool {
	percent, calm := massPercent, calmPercent
	if len(s.servers) < smallRoll {
		percent, calm = massSmall, calmSmall
	}
	if s.mode == ModeHolding {
		percent = calm
	}
	return s.suspects > 1 && s.suspects*100 > percent*len(s.servers)
}

// refill lets a part of the roll expire for each second that has passed: of the roll as it was when the mode was normal
// last, or has grown to since, so that all of a fleet that is gone expires in ten seconds.
func (s *state) refill(g time.Duration) {
	s.fleet = max(s.fleet, len(s.servers))
	if s.mode == ModeNormal {
		s.fleet = len(s.servers)
	}
	perSecond := max(1, float64(s.fleet)/expiryShare)
	s.allowance = min(perSecond, s.allowance+perSecond*g.Seconds())
}

// allow reports whether one more server may expire now, and counts it.
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

// change enters a mode and tells of it.
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

// modeDetail says in words what a mode means.
func (s *state) modeDetail(m Mode) string {
	switch m {
	case ModeBlind:
		return s.blindDetail()
	case ModeWarming:
		return fmt.Sprintf("nobody expires by silence until nsqd has been heard, or heard again, for %v; nothing needs to be done", s.cfg.TTL+s.cfg.Interval)
	case ModeHolding:
		probed := ""
		if s.cfg.Probing {
			probed = "each suspect is probed, and "
		}
		return fmt.Sprintf("%d of %d servers are suspect at once: %sat most a tenth of all servers expires in a second", s.suspects, len(s.servers), probed)
	}
	return fmt.Sprintf("%d of %d servers are suspect", s.suspects, len(s.servers))
}

func (s *state) blindDetail() string {
	cause := "the cause is unknown"
	if s.cfg.BlindCause != nil {
		cause = cmp.Or(s.cfg.BlindCause(), cause)
	}
	return fmt.Sprintf("nothing has come through any of %d nsqd for %v: %s; until that is mended leases stand still, and every server is kept unless it is found to be gone",
		len(s.clock.nsqds), s.clock.silentAfter(), cause)
}
