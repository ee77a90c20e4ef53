package balancer

import (
	"time"

	"rollcall/events"
)

// usability says whether and when a server can be chosen.
type usability uint8

const (
	excluded usability = iota // weight 0 or draining: never used
	usable
	suspect // used only while too few servers are usable (Config.Panic)
	ejected // used only if no other server can be used
)

func (b *Balancer) usability(e *Endpoint) usability {
	s := e.Server()
	switch {
	case s.Weight <= 0:
		return excluded
	case s.State != events.StateAlive && s.State != events.StateSuspect:
		return excluded
	case s.State == events.StateSuspect && b.cfg.Panic < 0:
		return suspect
	case e.ejected:
		return ejected
	case s.State == events.StateSuspect:
		return suspect
	default:
		return usable
	}
}

// route selects the candidates at the time now. The first row whose condition holds and that has a server applies:
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
	usabilities := make([]usability, len(b.members))
	var count [ejected + 1]int
	b.zone.servers, b.zone.usable = 0, 0
	b.earliest = time.Time{}
	for i, e := range b.members {
		b.endEjection(e, now)
		u := b.usability(e)
		usabilities[i] = u
		count[u]++
		if e.Server().Zone == b.cfg.Zone && u != excluded {
			b.zone.servers++
			if u == usable {
				b.zone.usable++
			}
		}
	}
	v := &view{stats: Stats{Servers: len(b.members), Usable: count[usable], Suspects: count[suspect], Ejected: count[ejected]}}
	v.routable = len(b.members) - count[excluded]
	v.stats.Panic = 100*count[usable] < b.cfg.Panic*v.routable
	v.local = b.cfg.Zone != "" && b.zone.preferred(now)
	local := v.local && !v.stats.Panic
	for i, e := range b.members {
		switch u := usabilities[i]; {
		case u == usable && local && e.Server().Zone != b.cfg.Zone:
			v.reserve = append(v.reserve, e)
		case u == usable, u == suspect && v.stats.Panic,
			u == ejected && count[usable] == 0 && (count[suspect] == 0 || !v.stats.Panic):
			c := b.candidate(e, now)
			if c.weight < c.full {
				v.stats.Starting++
			}
			v.candidates = append(v.candidates, c)
		}
	}
	v.stats.Candidates = len(v.candidates)
	return v
}
