package registry

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"rollcall/events"
)

// SnapshotVersion is the version of the format of Snapshot. Other versions are rejected.
const SnapshotVersion = 1

// Snapshot is the content of the registry that survives a restart. It is immutable.
type Snapshot struct {
	Version    int              `json:"version"`
	Observer   string           `json:"observer"`
	SavedAt    time.Time        `json:"saved_at"`
	Revision   uint64           `json:"revision"`
	Servers    []*events.Server `json:"servers"`
	Tombstones []Tombstone      `json:"tombstones"`

	// If the round of a server is not 0, Rounds maps service/id of the server to its round. The round is a number that makes the
	// ids of later events unique: see events.EventID.
	Rounds map[string]uint64 `json:"rounds,omitempty"`
}

// Tombstone describes a server that was removed.
type Tombstone struct {
	Service     string       `json:"service"`
	ID          string       `json:"id"`
	Incarnation int64        `json:"incarnation"`
	Ordinal     uint64       `json:"ordinal"` // ordinal of the last heartbeat of the server
	Type        events.Type  `json:"type"`
	Reason      events.Cause `json:"reason"`
	Time        time.Time    `json:"time"`
}

// Snapshot returns the content of the registry at the time now. Run reads the servers in steps. The Snapshot has the servers of the
// membership at its beginning; if a server changes meanwhile, the Snapshot has the server as it was at its beginning.
func (r *Registry) Snapshot(ctx context.Context, now time.Time) (*Snapshot, error) {
	type beginning struct {
		saved      *Snapshot
		membership *Membership
	}
	b, err := query(ctx, r, func(s *state) beginning { return beginning{s.snapshotHead(now), s.members()} })
	if err != nil {
		return nil, err
	}
	err = r.visit(ctx, blocksOf(b.membership.Services), func(s *state, block *Block) { s.save(block, b.saved, now) })
	if err != nil {
		return nil, err
	}
	return b.saved, nil
}

// maxSnapshot is the largest number of servers in a Snapshot.
const maxSnapshot = 1_000_000

// Validate returns an error for the first entry that cannot be restored. In a valid Snapshot, every server could have sent a
// valid heartbeat, and no two servers of a service have the same id or the same address.
func (s *Snapshot) Validate() error {
	switch {
	case s.Version != SnapshotVersion:
		return fmt.Errorf("registry: snapshot: version %d, want %d", s.Version, SnapshotVersion)
	case s.Observer == "":
		return errors.New("registry: snapshot: observer is empty")
	case len(s.Servers) > maxSnapshot:
		return fmt.Errorf("registry: snapshot: %d servers, want at most %d", len(s.Servers), maxSnapshot)
	}
	known := make(map[key]bool, len(s.Servers))
	type place struct {
		service string
		addr    netip.AddrPort
	}
	taken := make(map[place]string, len(s.Servers))
	for i, srv := range s.Servers {
		if srv == nil {
			return fmt.Errorf("registry: snapshot: server %d is null", i)
		}
		addr, err := restorable(srv)
		if err != nil {
			return fmt.Errorf("registry: snapshot: server %d: %w", i, err)
		}
		name, at := key{srv.Service, srv.ID}, place{srv.Service, addr}
		if known[name] {
			return fmt.Errorf("registry: snapshot: server %d: %q appears twice", i, srv.Key())
		}
		if other, ok := taken[at]; ok {
			return fmt.Errorf("registry: snapshot: server %d: %q has the address %v of %q", i, srv.Key(), addr, other)
		}
		known[name], taken[at] = true, srv.Key()
	}
	for i, g := range s.Tombstones {
		if err := g.validate(); err != nil {
			return fmt.Errorf("registry: snapshot: tombstone %d: %w", i, err)
		}
	}
	return nil
}

// restorable validates the heartbeat that would register the server s, and returns the address of s.
func restorable(s *events.Server) (netip.AddrPort, error) {
	h := heartbeatFrom(s)
	switch err := h.Validate(); {
	case err != nil:
		return netip.AddrPort{}, err
	case h.IntervalMS == 0 || h.TTLMS == 0: // a heartbeat may omit both, but a registered server always has both
		return netip.AddrPort{}, fmt.Errorf("interval_ms %d and ttl_ms %d, want both", h.IntervalMS, h.TTLMS)
	}
	return events.ParseAddr(s.Addr)
}

func (g *Tombstone) validate() error {
	switch {
	case !events.ValidService(g.Service):
		return fmt.Errorf("service %.80q, want a DNS label in lower case", g.Service)
	case g.ID == "":
		return errors.New("id is empty")
	case g.Incarnation < 0:
		return fmt.Errorf("incarnation %d is negative", g.Incarnation)
	case g.Type != events.TypeExpired && g.Type != events.TypeLeft && g.Type != events.TypeReplaced:
		return fmt.Errorf("type %.80q, want one that removes a server", string(g.Type))
	}
	if _, ok := stepOf(g.Type, g.Reason); !ok {
		return fmt.Errorf("reason %.80q does not belong to %s", string(g.Reason), g.Type)
	}
	return nil
}

const keptTombstones = 10_000 // maximum number of tombstones in a Snapshot; the newest are kept

// FreshFor is the age up to which a restored Snapshot counts as complete. A process that may be killed must save a Snapshot more
// often than once per FreshFor, even if nothing changes.
const FreshFor = time.Minute

// snapshotHead returns a Snapshot without servers.
func (s *state) snapshotHead(now time.Time) *Snapshot {
	saved := &Snapshot{
		Version: SnapshotVersion, Observer: s.cfg.Observer, SavedAt: wall(now.UnixNano()), Revision: s.revision,
		Servers: make([]*events.Server, 0, len(s.servers)), Tombstones: []Tombstone{}, Rounds: make(map[string]uint64),
	}
	for e := s.tombstones.order.Back(); e != nil && len(saved.Tombstones) < keptTombstones; e = e.Prev() {
		t := e.Value.(*tombstone)
		typ, cause := t.why.event()
		saved.Tombstones = append(saved.Tombstones, Tombstone{t.key.service, t.key.id, t.incarnation, t.ordinal, typ, cause, wall(t.at)})
	}
	return saved
}

// The method save appends the servers of a block to a Snapshot.
func (s *state) save(b *Block, to *Snapshot, now time.Time) {
	lease := s.clock.at(s.age(now))
	for i, r := range b.records {
		view := *b.Servers[i]
		if r.view == b.Servers[i] { // otherwise the vitals could belong to a newer description than the view
			s.vitals(r, lease).Apply(&view)
		}
		if r.provisional || b.serials[i] <= s.restoredSerial { // the view is suspect only because this process restored it
			view.State = aliveState(view.Weight)
		}
		to.Servers = append(to.Servers, &view)
		if n := r.round(); n > 0 {
			to.Rounds[view.Key()] = n
		}
	}
}

// restore registers the servers of a snapshot. Their present state is unknown, so each server becomes suspect and is probed at
// once. No event is emitted before a probe or a heartbeat shows a change, because subscribers already know the servers as the
// snapshot describes them.
func (s *state) restore(saved *Snapshot) {
	s.revision = saved.Revision
	for i := len(saved.Tombstones) - 1; i >= 0; i-- { // the snapshot lists the newest tombstone first, but the oldest must be added first
		g := saved.Tombstones[i]
		why, _ := stepOf(g.Type, g.Reason)
		s.tombstones.add(tombstone{
			key: key{g.Service, g.ID}, incarnation: g.Incarnation, ordinal: g.Ordinal, why: why, at: g.Time.UnixNano(),
		}, 0, s.cfg.TTL)
	}
	for _, server := range saved.Servers {
		r := s.restored(server, saved.Rounds[server.Key()])
		s.insert(r)
		s.latest[addressHash(server.Addr)] = r
	}
	s.restoredSerial = s.serial
	for _, r := range s.servers {
		if !r.provisional {
			s.touch(r) // gives the view a serial above restoredSerial
		}
	}
}

// The method fresh reports whether the snapshot is so recent that it counts as complete.
func (s *Snapshot) fresh(now time.Time) bool {
	return s != nil && now.Sub(s.SavedAt) < FreshFor && !s.SavedAt.After(now)
}

// The method restored returns the record of a server from a snapshot. While mode warming lasts, the server can send a heartbeat or
// answer a probe.
func (s *state) restored(server *events.Server, round uint64) *record {
	view := *server
	view.State = events.StateSuspect
	r := &record{
		view: &view, incarnation: view.Incarnation, ttl: time.Duration(view.TTLMS) * time.Millisecond, suspect: true,
		provisional: server.State != events.StateSuspect,
		ordinal:     view.Seq, load: view.Load, via: s.vias.number(view.Via), lastSeen: view.LastSeen.UnixNano(),
	}
	if view.Incarnation == 0 {
		r.ordinal = uint64(max(0, r.lastSeen))
	}
	if round > 0 {
		r.openInquiry().round = round
	}
	r.fingerprint = fingerprintOf(heartbeatFrom(&view))
	s.suspects++
	s.schedule(r, 0)
	return r
}

// heartbeatFrom returns the heartbeat that would register the server s.
func heartbeatFrom(s *events.Server) *events.Heartbeat {
	return &events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: s.Service, ID: s.ID, Addr: s.Addr, Incarnation: s.Incarnation, Seq: s.Seq,
		IntervalMS: s.IntervalMS, TTLMS: s.TTLMS, Weight: s.Weight, Zone: s.Zone, Version: s.Version, Tags: s.Tags, Meta: s.Meta,
	}
}
