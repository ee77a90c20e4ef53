package integration

import (
	"time"

	"rollcall/services/registry"
)

// simTells is what the listener of a server tells of its identity.
type simTells int

const (
	simTellsAll     simTells = iota // id, service and incarnation
	simTellsID                      // the id alone
	simTellsOther                   // the identity of another server in the same process, and not its own
	simTellsNothing                 // it accepts connections
)

// simIdentify is what the prober finds when a process answers that is the servers at an address which run.
func simIdentify(there []*simServer, p registry.Probe) registry.Finding {
	found := registry.FindingAccepted
	for _, s := range there {
		if !s.is(simRunning) || s.tells >= simTellsOther {
			continue
		}
		told := s.told.Load()
		switch {
		case s.id != p.ID || s.tells == simTellsAll && s.key != p.Service+"/"+p.ID:
			if found == registry.FindingAccepted {
				found = registry.FindingStranger
			}
		case s.tells == simTellsID && p.Contested:
			return registry.FindingAccepted
		case s.tells == simTellsAll && told > 0 && told != p.Incarnation:
			return registry.FindingAccepted
		default:
			return registry.FindingIdentified
		}
	}
	return found
}

// simOccupant is the server whose fate decides how an address answers: one that runs, or the one that is asked for.
func simOccupant(there []*simServer, asked *simServer) *simServer {
	for _, s := range there {
		if s.is(simRunning) {
			return s
		}
	}
	return asked
}

func simAddresses() []simScenario {
	const length = simCalm + 30*time.Second
	return []simScenario{
		{name: "addresses reused by servers of another service", servers: 200, length: length, deaths: 40,
			play: func(w *simWorld) { simReuse(w, simTellsAll, simTellsID, simTellsNothing) }},
		{name: "addresses shared by two servers of one process", servers: 200, length: length,
			play: func(w *simWorld) { simShare(w, simTellsAll, simTellsID, simTellsOther, simTellsNothing) }},
		{name: "addresses reused and shared, 5 % loss", servers: 200, length: length, network: simNetwork{loss: 0.05},
			play: func(w *simWorld) {
				simReuse(w, simTellsAll, simTellsID, simTellsNothing)
				simShare(w, simTellsAll) // of one that tells less, two heartbeats lost in a row are too many
			}},
	}
}

// simReuse lets servers die, and servers of another service, half of them with the same id, start at their addresses. From
// then on no request goes to the dead ones, and in a while they are expired.
func simReuse(w *simWorld, tells ...simTells) {
	for i, s := range w.servers[:40] {
		id := s.id
		if i%2 == 0 {
			id = "o" + id
		}
		next := w.add("other", id, s.addr)
		s.tells = tells[i%len(tells)]
		next.tells = s.tells
		died := w.soon(func() { s.die(simCrashed) })
		began := died + w.moment(3*time.Second)
		w.at(began, next.restart)
		if w.network.loss > 0 {
			continue
		}
		w.at(began+time.Second, func() {
			if w.api.routable()[s.key] {
				w.audit.wrong("%s is routable, and %s has its address", s.key, next.key)
			}
		})
		w.at(died+20*time.Second, func() {
			life := simLife{s.key, s.incarnation}
			if w.audit.lives[life] != "rollcall.server.expired" {
				w.audit.wrong("%v is %s, and %s has had its address for long", life, w.audit.lives[life], next.key)
			}
		})
	}
}

// simShare adds a second server to processes, in half of them while they run. Nobody dies.
func simShare(w *simWorld, tells ...simTells) {
	for i, s := range w.servers[50:100] {
		id := s.id
		if i%2 == 0 {
			id = "m" + id
		}
		also := w.add("metrics", id, s.addr)
		s.tells = tells[i%len(tells)]
		if also.tells = s.tells; s.tells == simTellsOther {
			also.tells = simTellsAll
		}
		if i%4 < 2 {
			w.soon(also.restart)
		} else {
			also.appear(s.since)
		}
	}
}
