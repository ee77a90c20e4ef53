package registry

import (
	"hash/maphash"
	"time"
)

// Servers of different services may have the same address: one process with several services, or a process that
// took the address of a dead one. The order of their heartbeats tells which. A server is the successor of another on
// the address if it was registered there after the other was heard last. In one process both go on being heard, so
// neither is the successor of the other for longer than an interval.

// claim makes r, which was heard just now for the first time at its address, one of the servers there. The older one
// of r and the last server that was registered there is suspected if it has a successor now, so that it is probed. While
// warming, the first heartbeat that this process hears is not the first one of the server, and nobody is suspected.
func (s *state) claim(r *record, sent time.Duration, at time.Time, now time.Duration) {
	r.claimed = sent
	newer, older := r, s.latestAt(r.view.Addr)
	if older != nil && older.claimed > r.claimed {
		newer, older = older, r
	}
	s.latest[addressHash(r.view.Addr)] = newer
	if older == nil || s.mode == ModeWarming || s.successor(older) == nil {
		return
	}
	d := older.doubted()
	d.badAt = max(d.badAt, newer.claimed) // a heartbeat from before is no proof that it still has the address
	s.suspect(older, stepContested, at, now)
}

// disclaim takes r off its address.
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

// addressHash keeps the index of addresses small.
func addressHash(addr string) uint64 { return maphash.String(hashSeed, addr) }

// successor returns the server that was registered at the address of r after r was heard last, or nil.
func (s *state) successor(r *record) *record {
	if other := s.latestAt(r.view.Addr); other != nil && other != r && other.claimed > r.sent {
		return other
	}
	return nil
}

// contested reports whether r has a successor that has the same id in its own service.
func (s *state) contested(r *record) bool {
	other := s.successor(r)
	return other != nil && other.view.ID == r.view.ID
}

// extensions is the number of intervals that r gains when a probe connects and nobody can tell to whom.
func (s *state) extensions(r *record) int {
	if s.successor(r) != nil {
		return shortened
	}
	return extensions
}

// usurped reports whether the identity of another server at the address of r proves that r is gone. A process with
// several servers may tell the identity of one of them alone. So it is no proof if r and another server there were
// each heard after the other was registered, nor before the next heartbeat of r is overdue.
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
