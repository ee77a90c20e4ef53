package balancer

import (
	"time"

	"rollcall/events"
)

// usability says whether and when a server can be chosen. There is a group of servers for each usability.
type usability uint8

const (
	excluded  usability = iota // left, weight 0 or draining: never used
	here                       // usable, in Config.Zone
	elsewhere                  // usable, in another zone, or without Config.Zone
	suspect                    // used only while too few servers are usable (Config.Panic)
	ejected                    // used only if no other server can be used
	usabilities
)

func (b *Balancer) usabilityOf(e *Endpoint) usability {
	s := e.Server()
	switch {
	case !e.isMember() || s.Weight <= 0:
		return excluded
	case s.State != events.StateAlive && s.State != events.StateSuspect:
		return excluded
	case s.State == events.StateSuspect && b.cfg.Panic < 0:
		return suspect
	case e.isEjected():
		return ejected
	case s.State == events.StateSuspect:
		return suspect
	case b.inZone(s):
		return here
	default:
		return elsewhere
	}
}

func (b *Balancer) inZone(s *events.Server) bool { return b.cfg.Zone != "" && s.Zone == b.cfg.Zone }

// route returns a view without candidates, and says which groups are candidates at the time now. The first row whose condition holds and
// that has a server applies:
//
//	condition                            candidates
//	no panic, the zone is preferred      usable servers of the zone; other usable servers are the reserve
//	no panic                             usable servers
//	panic                                usable and suspect servers of all zones
//	otherwise                            ejected servers
//
// Panic means that fewer than Config.Panic percent of the servers that are not excluded are usable. A fault of this process or its network
// is then more likely than a fault of most servers. Without the suspects, the few usable servers would be overloaded with all requests.
func (b *Balancer) route(now time.Time) *view {
	count := func(u usability) int { return b.groups[u].count }
	v := &view{stats: Stats{Servers: b.members, Usable: count(here) + count(elsewhere), Suspects: count(suspect), Ejected: count(ejected)}}
	v.routable = v.stats.Usable + count(suspect) + count(ejected)
	v.stats.Panic = 100*v.stats.Usable < b.cfg.Panic*v.routable
	b.zone.usable = count(here)
	v.local = b.cfg.Zone != "" && b.zone.preferred(now)
	local := v.local && !v.stats.Panic
	v.use[here] = true
	v.use[elsewhere] = !local
	v.use[suspect] = v.stats.Panic
	v.use[ejected] = v.stats.Usable == 0 && count(ejected) > 0 && (count(suspect) == 0 || !v.stats.Panic)
	for u, used := range v.use {
		if used {
			v.stats.Candidates += b.groups[u].count
			v.stats.Starting += b.groups[u].starting
		}
	}
	return v
}
