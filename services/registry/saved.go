package registry

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unique"

	"rollcall/events"
)

// SavedVersion is the format of Saved. Another one is not read.
const SavedVersion = 1

// Saved is the roll as it is kept on disk, so that a restart forgets nothing. It is immutable.
type Saved struct {
	Version  int              `json:"version"`
	Observer string           `json:"observer"`
	SavedAt  time.Time        `json:"saved_at"`
	Revision uint64           `json:"revision"`
	Servers  []*events.Server `json:"servers"`
	Gone     []Gone           `json:"gone"`

	// Rounds are those of the servers by service/id that have one, for the ids of the events to come: see events.EventID.
	Rounds map[string]uint64 `json:"rounds,omitempty"`
}

// Gone is a server that ended lately.
type Gone struct {
	Service     string       `json:"service"`
	ID          string       `json:"id"`
	Incarnation int64        `json:"incarnation"`
	Ordinal     uint64       `json:"ordinal"` // of its last heartbeat
	Type        events.Type  `json:"type"`
	Reason      events.Cause `json:"reason"`
	Time        time.Time    `json:"time"`
}

// Save asks the registry for its roll.
func (r *Registry) Save(ctx context.Context, now time.Time) (*Saved, error) {
	return ask(ctx, r, func(s *state) *Saved { return s.save(now) })
}

// maxSaved bounds the servers of a Saved.
const maxSaved = 1_000_000

// Validate names the first thing that cannot be restored. What it passes could have been heard on NSQ, and stands on one
// roll together.
func (s *Saved) Validate() error {
	switch {
	case s.Version != SavedVersion:
		return fmt.Errorf("registry: saved: version %d, want %d", s.Version, SavedVersion)
	case s.Observer == "":
		return errors.New("registry: saved: observer is empty")
	case len(s.Servers) > maxSaved:
		return fmt.Errorf("registry: saved: %d servers, want at most %d", len(s.Servers), maxSaved)
	}
	known := make(map[key]bool, len(s.Servers))
	type place struct {
		service string
		addr    netip.AddrPort
	}
	taken := make(map[place]string, len(s.Servers))
	for i, srv := range s.Servers {
		if srv == nil {
			return fmt.Errorf("registry: saved: server %d is null", i)
		}
		addr, err := restorable(srv)
		if err != nil {
			return fmt.Errorf("registry: saved: server %d: %w", i, err)
		}
		name, at := key{srv.Service, srv.ID}, place{srv.Service, addr}
		if known[name] {
			return fmt.Errorf("registry: saved: server %d: %q is there twice", i, srv.Key())
		}
		if other, ok := taken[at]; ok {
			return fmt.Errorf("registry: saved: server %d: %q has the address %v of %q", i, srv.Key(), addr, other)
		}
		known[name], taken[at] = true, srv.Key()
	}
	for i, g := range s.Gone {
		if err := g.validate(); err != nil {
			return fmt.Errorf("registry: saved: gone %d: %w", i, err)
		}
	}
	return nil
}

// restorable judges a server by the heartbeat that would have told of it.
func restorable(s *events.Server) (netip.AddrPort, error) {
	h := heartbeatFrom(s)
	switch err := h.Validate(); {
	case err != nil:
		return netip.AddrPort{}, err
	case h.IntervalMS == 0 || h.TTLMS == 0: // a sender may leave them to the API server, which then states them
		return netip.AddrPort{}, fmt.Errorf("interval_ms %d and ttl_ms %d, want both", h.IntervalMS, h.TTLMS)
	}
	return events.ParseAddr(s.Addr)
}

func (g *Gone) validate() error {
	switch {
	case !events.ValidService(g.Service):
		return fmt.Errorf("service %.80q, want a DNS label in lower case", g.Service)
	case g.ID == "":
		return errors.New("id is empty")
	case g.Incarnation < 0:
		return fmt.Errorf("incarnation %d is negative", g.Incarnation)
	case g.Type != events.TypeExpired && g.Type != events.TypeLeft && g.Type != events.TypeReplaced:
		return fmt.Errorf("type %.80q, want one that ends a server", string(g.Type))
	}
	if _, ok := stepOf(g.Type, g.Reason); !ok {
		return fmt.Errorf("reason %.80q does not go with %s", string(g.Reason), g.Type)
	}
	return nil
}

const keptGone = 10_000 // tombstones that are saved, the newest

// FreshFor is for how long a Saved is as good as a complete roll. Who keeps one for a process that may be killed saves
// more often, also where nothing changes.
const FreshFor = time.Minute

// save is the roll as it is at now.
func (s *state) save(now time.Time) *Saved {
	saved := &Saved{
		Version: SavedVersion, Observer: s.cfg.Observer, SavedAt: wall(now.UnixNano()), Revision: s.revision,
		Servers: make([]*events.Server, len(s.order)), Gone: []Gone{}, Rounds: make(map[string]uint64),
	}
	lease := s.clock.at(s.age(now))
	for i, r := range s.order {
		view := *r.view
		r.vitals(lease).apply(&view)
		if r.provisional { // the suspicion is only a precaution of this process
			view.State = aliveState(view.Weight)
		}
		saved.Servers[i] = &view
		if n := r.round(); n > 0 {
			saved.Rounds[view.Key()] = n
		}
	}
	for e := s.graves.order.Back(); e != nil && len(saved.Gone) < keptGone; e = e.Prev() {
		t := e.Value.(*tombstone)
		typ, cause := t.why.event()
		saved.Gone = append(saved.Gone, Gone{t.key.service, t.key.id, t.incarnation, t.ordinal, typ, cause, wall(t.at)})
	}
	return saved
}

// restore begins with the roll of the process before. Nobody knows what became of the servers meanwhile, so all of them
// are suspects, which are asked at once, and of which nobody is told before there is something to tell: whoever follows
// the events knows them as they were.
func (s *state) restore(saved *Saved) {
	s.revision = saved.Revision
	for i := len(saved.Gone) - 1; i >= 0; i-- { // oldest first
		g := saved.Gone[i]
		why, _ := stepOf(g.Type, g.Reason)
		s.graves.bury(tombstone{
			key: key{g.Service, g.ID}, incarnation: g.Incarnation, ordinal: g.Ordinal, why: why, at: g.Time.UnixNano(),
		}, 0, s.cfg.TTL)
	}
	for _, server := range saved.Servers {
		r := s.revive(server, saved.Rounds[server.Key()])
		s.insert(r)
		s.latest[addressHash(server.Addr)] = r
	}
}

// fresh reports whether the roll was saved so lately that it is as good as complete.
func (s *Saved) fresh(now time.Time) bool {
	return s != nil && now.Sub(s.SavedAt) < FreshFor && !s.SavedAt.After(now)
}

// revive makes the record of a server. Warming is what it has to be heard or to answer in.
func (s *state) revive(server *events.Server, round uint64) *record {
	view := *server
	view.State = events.StateSuspect
	r := &record{
		view: &view, incarnation: view.Incarnation, ttl: time.Duration(view.TTLMS) * time.Millisecond, suspect: true,
		provisional: server.State != events.StateSuspect,
		ordinal:     view.Seq, load: view.Load, via: unique.Make(view.Via), lastSeen: view.LastSeen.UnixNano(),
	}
	if view.Incarnation == 0 {
		r.ordinal = uint64(max(0, r.lastSeen))
	}
	if round > 0 {
		r.doubted().round = round
	}
	r.fingerprint = fingerprintOf(heartbeatFrom(&view))
	s.suspects++
	s.schedule(r, 0)
	return r
}

// heartbeatFrom is what a server says of itself to be known as s.
func heartbeatFrom(s *events.Server) *events.Heartbeat {
	return &events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: s.Service, ID: s.ID, Addr: s.Addr, Incarnation: s.Incarnation, Seq: s.Seq,
		IntervalMS: s.IntervalMS, TTLMS: s.TTLMS, Weight: s.Weight, Zone: s.Zone, Version: s.Version, Tags: s.Tags, Meta: s.Meta,
	}
}
