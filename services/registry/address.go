package registry

import (
	"hash/maphash"
	"time"
)

// Servers of different services may have the same address: either one process runs all of them, or a new process took the
// address of a dead process. The order of their heartbeats tells the two cases apart. A server is the successor of another
// server if it was registered at the address after the last heartbeat of the other server. If one process runs both servers,
// both send heartbeats, so neither server is the successor of the other one for longer than an interval.

// claim notes that the server r is registered at its address. The parameter sent is when the first heartbeat of r from this
// address was published. claim compares r with the server that was registered last at the address. If the older one of these two
// servers now has a successor, claim makes it suspect, so that it is probed. In mode warming claim makes no server suspect,
// because the first heartbeat that this process receives need not be the first one that the server sent.
func (s *state) claim(r *record, sent time.Duration, m moment) {
	r.claimed = sent
	newer, older := r, s.latestAt(r.view.Addr)
	if older != nil && older.claimed > r.claimed {
		newer, older = older, r
	}
	s.latest[addressHash(r.view.Addr)] = newer
	if older == nil || s.mode == ModeWarming || s.successor(older) == nil {
		return
	}
	q := older.openInquiry()
	q.evidenceAt = max(q.evidenceAt, newer.claimed) // a heartbeat from before this time does not prove that the older server still has the address
	s.suspect(older, stepContested, m)
}

// disclaim removes r from the index of addresses.
func (s *state) disclaim(r *record) {
	if s.latestAt(r.view.Addr) == r {
		delete(s.latest, addressHash(r.view.Addr))
	}
	delete(s.byAddr, placeHash(r.view.Service, r.view.Addr))
}

// latestAt returns the server that was registered last at an address. It returns nil if there is none.
func (s *state) latestAt(addr string) *record {
	r := s.latest[addressHash(addr)]
	if r == nil || r.view.Addr != addr {
		return nil
	}
	return r
}

// addressHash returns the key of an address in the index of addresses. A hash needs less memory than the address.
func addressHash(addr string) uint64 { return maphash.String(hashSeed, addr) }

// The method at returns the server of a service that has an address. It returns nil if there is none.
func (s *state) at(service, addr string) *record {
	r := s.byAddr[placeHash(service, addr)]
	if r == nil || r.view.Service != service || r.view.Addr != addr {
		return nil
	}
	return r
}

// placeHash returns the key of a service and an address in state.byAddr.
func placeHash(service, addr string) uint64 {
	return maphash.Comparable(hashSeed, key{service, addr})
}

// successor returns the server that was registered at the address of r after the last heartbeat of r. It returns nil if there is none.
func (s *state) successor(r *record) *record {
	if other := s.latestAt(r.view.Addr); other != nil && other != r && other.claimed > r.sent {
		return other
	}
	return nil
}

// contested reports whether r has a successor with the same id in another service.
func (s *state) contested(r *record) bool {
	other := s.successor(r)
	return other != nil && other.view.ID == r.view.ID
}

// extensions returns the largest number of intervals by which the lease of r is extended while its address accepts the
// connections of probes, but returns no id.
func (s *state) extensions(r *record) int {
	if s.successor(r) != nil {
		return shortened
	}
	return extensions
}

// usurped is called when the address of r returned the identity of another server, and reports whether r is therefore gone. It
// need not be gone, because one process can run several servers at an address and return the identity of only one of them.
// If r has a successor, r is gone as soon as its next heartbeat is overdue. Without a successor r is gone, unless one process
// runs r and a server of another service. This is so if each of these two servers sent a heartbeat after the registration of the
// other one at the address.
func (s *state) usurped(r *record, now time.Duration) bool {
	if s.successor(r) != nil {
		return now-r.sent >= r.overdue()
	}
	for service := range s.services {
		other := s.at(service, r.view.Addr)
		if other != nil && other != r && r.sent >= other.claimed && other.sent >= r.claimed {
			return false
		}
	}
	return true
}
