package registry

import (
	"hash/maphash"
	"time"
)

// Servers of different services may have the same address: they are one process, or a new process took the address of a
// dead one. The order of their heartbeats shows which. A server is the successor of another one if it was registered at the
// address after the last heartbeat of the other. If they are one process, both send heartbeats, so neither is the successor
// of the other for longer than an interval.

// claim notes that r is registered at its address, after its first heartbeat from there. It compares r with the server that
// was registered there last: if the older of the two now has a successor, it becomes suspect and is probed. Not in mode
// warming, because the first heartbeat that this process receives is then not the first one of the server.
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
	q.evidenceAt = max(q.evidenceAt, newer.claimed) // an earlier heartbeat does not prove that it still has the address
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

// addressHash returns a hash as the key of the index of addresses, which saves memory.
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

// usurped reports whether the identity of another server at the address of r proves that r is gone. A process with several
// servers may send the identity of only one of them. So the identity proves nothing if r and another server both sent
// heartbeats after the other was registered, or before the next heartbeat of r is overdue.
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
