package registry

import (
	"hash/maphash"
	"time"
)

// Servers of different services may have the same address: either one process runs all of them, or a new process took the
// address of a dead process. The order of their heartbeats tells the two cases apart. A server is the successor of another
// server if it was registered at the address after the last heartbeat of the other server. If one process runs both servers,
// both send heartbeats, so neither server is the successor of the other one for longer than an interval.

// claim notes that r is registered at its address; sent is when its first heartbeat from there was published. claim compares r
// with the server that was registered there last. If the older server of the two now has a successor, claim makes it suspect, so
// that it is probed. In mode warming claim suspects no server, because the first heartbeat that this process receives is then
// not the first heartbeat that the server sent.
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
	q.evidenceAt = max(q.evidenceAt, newer.claimed) // a heartbeat of older from before this time does not prove that older still has the address
	s.suspect(older, stepContested, m)
}

// disclaim removes r from the index of addresses.
func (s *state) disclaim(r *record) {
	if s.latestAt(r.view.Addr) == r {
		delete(s.latest, addressHash(r.view.Addr))
	}
	delete(s.byAddr, key{r.view.Service, r.view.Addr})
}

// latestAt returns the server that was registered last at an address, or nil.
func (s *state) latestAt(addr string) *record {
	r := s.latest[addressHash(addr)]
	if r == nil || r.view.Addr != addr {
		return nil
	}
	return r
}

// addressHash returns the key of an address in the index of addresses. A hash needs less memory than the address.
func addressHash(addr string) uint64 { return maphash.String(hashSeed, addr) }

// successor returns the server that was registered at the address of r after the last heartbeat of r, or nil.
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

// extensions returns the number of intervals by which probes that connect, but get no id, extend the lease of r.
func (s *state) extensions(r *record) int {
	if s.successor(r) != nil {
		return shortened
	}
	return extensions
}

// usurped reports whether r is gone when the address of r returns the identity of another server. One process can run several
// servers at an address and return the identity of only one of them. If r has a successor, the identity proves that r is gone as
// soon as the next heartbeat of r is overdue. Otherwise the identity proves nothing if there is a server of another service at
// the address, and both this server and r sent a heartbeat after the other one was registered: one process runs both.
func (s *state) usurped(r *record, now time.Duration) bool {
	if s.successor(r) != nil {
		return now-r.sent >= r.overdue()
	}
	for service := range s.services {
		other := s.byAddr[key{service, r.view.Addr}]
		if other != nil && other != r && r.sent >= other.claimed && other.sent >= r.claimed {
			return false
		}
	}
	return true
}
