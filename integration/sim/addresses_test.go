package sim

import (
	"time"

	"rollcall/services/registry"
)

// identity is what a server tells a probe about itself.
type identity int

const (
	identityFull   identity = iota // id, service and incarnation
	identityIDOnly                 // only the id
	identityOther                  // the identity of another server in the same process instead of its own
	identityNone                   // no identity: the server only accepts connections
)

// findingAt returns what a probe finds at an address. The given servers are the servers at this address.
func findingAt(there []*dataServer, p registry.Probe) registry.Finding {
	found := registry.FindingAccepted
	for _, s := range there {
		if !s.is(running) || s.identity >= identityOther {
			continue
		}
		incarnation := s.identityIncarnation.Load()
		switch {
		case s.id != p.ID || s.identity == identityFull && s.key != p.Service+"/"+p.ID:
			if found == registry.FindingAccepted {
				found = registry.FindingStranger
			}
		case s.identity == identityIDOnly && p.Contested:
			return registry.FindingAccepted
		case s.identity == identityFull && incarnation > 0 && incarnation != p.Incarnation:
			return registry.FindingAccepted
		default:
			return registry.FindingIdentified
		}
	}
	return found
}

// occupant returns the server whose fate decides how an address responds: the server that runs there, or the probed server if no server
// runs there.
func occupant(there []*dataServer, probed *dataServer) *dataServer {
	for _, s := range there {
		if s.is(running) {
			return s
		}
	}
	return probed
}

func addressScenarios() []scenario {
	const length = faultsBegin + 30*time.Second
	return []scenario{
		{name: "addresses reused by servers of another service", servers: 200, length: length, deaths: 40,
			play: func(w *world) { reuseAddresses(w, identityFull, identityIDOnly, identityNone) }},
		{name: "addresses shared by two servers of one process", servers: 200, length: length,
			play: func(w *world) { shareAddresses(w, identityFull, identityIDOnly, identityOther, identityNone) }},
		{name: "addresses reused and shared, 5 % loss", servers: 200, length: length, network: network{loss: 0.05},
			play: func(w *world) {
				reuseAddresses(w, identityFull, identityIDOnly, identityNone)
				shareAddresses(w, identityFull) // a server that probes cannot identify could expire falsely after two lost heartbeats in a row
			}},
	}
}

// reuseAddresses kills 40 servers, and starts servers of another service at their addresses. Half of the new servers have the id of the
// dead server. Without message loss, a dead server must not be routable one second after the start of the new server, and must be expired
// 20 s after its death.
func reuseAddresses(w *world, identities ...identity) {
	for i, s := range w.servers[:40] {
		id := s.id
		if i%2 == 0 {
			id = "o" + id
		}
		next := w.add("other", id, s.addr)
		s.identity = identities[i%len(identities)]
		next.identity = s.identity
		died := w.soon(func() { s.die(crashed) })
		began := died + w.moment(3*time.Second)
		w.at(began, next.restart)
		if w.network.loss > 0 {
			continue
		}
		w.at(began+time.Second, func() {
			if w.api.routable()[s.key] {
				w.audit.fail("%s is routable although %s has its address", s.key, next.key)
			}
		})
		w.at(died+20*time.Second, func() {
			life := serverLife{s.key, s.incarnation}
			if w.audit.lives[life] != "rollcall.server.expired" {
				w.audit.fail("%v is %s, long after %s took its address", life, w.audit.lives[life], next.key)
			}
		})
	}
}

// shareAddresses adds a second server to the process of each of 50 servers. Half of the added servers start with the process, the others
// later. No server dies.
func shareAddresses(w *world, identities ...identity) {
	for i, s := range w.servers[50:100] {
		id := s.id
		if i%2 == 0 {
			id = "m" + id
		}
		also := w.add("metrics", id, s.addr)
		s.identity = identities[i%len(identities)]
		if also.identity = s.identity; s.identity == identityOther {
			also.identity = identityFull
		}
		if i%4 < 2 {
			w.soon(also.restart)
		} else {
			also.appear(s.since)
		}
	}
}
