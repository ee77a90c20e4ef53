package balancer

import (
	"time"

	"rollcall/events"
)

// standing is what a server may be used for.
type standing uint8

const (
	barred  standing = iota // weight 0 or draining: nothing, not even in panic
	usable                  // requests
	suspect                 // requests in panic
	ejected                 // requests if there is nobody else
)

func (b *Balancer) standing(e *Endpoint) standing {
	s := e.Server()
	switch {
	case s.Weight <= 0:
		return barred
	case s.State != events.StateAlive && s.State != events.StateSuspect:
		return barred
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

// route decides who may be chosen at now. The ladder, the first rung that anybody stands on:
//
//	no panic, the zone can serve alone   usable servers of the zone; the other usable ones in reserve
//	no panic                             usable servers
//	panic                                usable servers and suspects, of all zones
//	else                                 ejected servers
//
// Panic is when fewer than Config.Panic percent of the servers that are not barred are usable: by then the
// API server's own ears are the likelier culprit, and a few servers would drown in the requests of all.
func (b *Balancer) route(now time.Time) *view {
	standings := make([]standing, len(b.members))
	var count [ejected + 1]int
	b.zone.servers, b.zone.usable = 0, 0
	b.earliest = time.Time{}
	for i, e := range b.members {
		b.release(e, now)
		st := b.standing(e)
		standings[i] = st
		count[st]++
		if e.Server().Zone == b.cfg.Zone && st != barred {
			b.zone.servers++
			if st == usable {
				b.zone.usable++
			}
		}
	}
	v := &view{stats: Stats{Servers: len(b.members), Usable: count[usable], Suspects: count[suspect], Ejected: count[ejected]}}
	v.routable = len(b.members) - count[barred]
	v.stats.Panic = 100*count[usable] < b.cfg.Panic*v.routable
	v.local = b.cfg.Zone != "" && b.zone.preferred(now)
	local := v.local && !v.stats.Panic
	for i, e := range b.members {
		switch st := standings[i]; {
		case st == usable && local && e.Server().Zone != b.cfg.Zone:
			v.reserve = append(v.reserve, e)
		case st == usable, st == suspect && v.stats.Panic,
			st == ejected && count[usable] == 0 && (count[suspect] == 0 || !v.stats.Panic):
			c := b.candidate(e, now)
			if c.Weight < c.Full {
				v.stats.Starting++
			}
			v.candidates = append(v.candidates, c)
		}
	}
	v.stats.Candidates = len(v.candidates)
	return v
}
