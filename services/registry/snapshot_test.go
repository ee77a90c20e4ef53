package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// snapshotOf returns a valid snapshot with the given number of servers and one tombstone.
func snapshotOf(servers int) *registry.Snapshot {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := &registry.Snapshot{Version: registry.SnapshotVersion, Observer: "api-1", SavedAt: now, Revision: 7}
	for i := range servers {
		s.Servers = append(s.Servers, &events.Server{
			Service: "data", ID: fmt.Sprintf("s-%d", i), Addr: fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255),
			State: events.StateAlive, Incarnation: 1763812345678, Seq: 42, IntervalMS: 5000, TTLMS: 10_000, Weight: 100,
			Zone: "a", Version: "1.4.2", Tags: []string{"blue"}, Meta: events.NewMeta(map[string]string{"rack": "r7"}),
			RegisteredAt: now, LastSeen: now, Via: "127.0.0.1:4150",
		})
	}
	s.Tombstones = []registry.Tombstone{{
		Service: "data", ID: "gone", Incarnation: 1763812345678, Ordinal: 42, Type: events.TypeLeft, Reason: events.CauseLeave, Time: now,
	}}
	return s
}

func TestSnapshotValidation(t *testing.T) {
	first := func(change func(*events.Server)) func(*registry.Snapshot) {
		return func(s *registry.Snapshot) { change(s.Servers[0]) }
	}
	tombstone := func(change func(*registry.Tombstone)) func(*registry.Snapshot) {
		return func(s *registry.Snapshot) { change(&s.Tombstones[0]) }
	}
	for _, tt := range []struct {
		name   string
		change func(*registry.Snapshot)
		want   string // text that the error must contain; empty: no error
	}{
		{"valid", func(*registry.Snapshot) {}, ""},
		{"empty", func(s *registry.Snapshot) { s.Servers, s.Tombstones = nil, nil }, ""},
		{"an older version", func(s *registry.Snapshot) { s.Version-- }, "version 0, want 1"},
		{"a newer version", func(s *registry.Snapshot) { s.Version++ }, "version 2, want 1"},
		{"no observer", func(s *registry.Snapshot) { s.Observer = "" }, "observer is empty"},
		{"a million servers", func(s *registry.Snapshot) { s.Servers = make([]*events.Server, 1_000_000) }, "server 0 is null"},
		{"too many servers", func(s *registry.Snapshot) { s.Servers = make([]*events.Server, 1_000_001) }, "1000001 servers"},
		{"a server that is null", func(s *registry.Snapshot) { s.Servers[1] = nil }, "server 1 is null"},
		{"no service", first(func(s *events.Server) { s.Service = "" }), "server 0: service"},
		{"an invalid service", first(func(s *events.Server) { s.Service = "../x" }), "server 0: service"},
		{"no id", first(func(s *events.Server) { s.ID = "" }), "server 0: meta: id"},
		{"an id with a line break", first(func(s *events.Server) { s.ID = "a\nb" }), "server 0: meta: id"},
		{"no address", first(func(s *events.Server) { s.Addr = "" }), "server 0: address"},
		{"a host name", first(func(s *events.Server) { s.Addr = "localhost:80" }), "server 0: address"},
		{"port 0", first(func(s *events.Server) { s.Addr = "10.0.0.7:0" }), "server 0: address"},
		{"a negative incarnation", first(func(s *events.Server) { s.Incarnation = -1 }), "server 0: incarnation"},
		{"an incarnation without a seq", first(func(s *events.Server) { s.Seq = 0 }), "server 0: seq"},
		{"neither incarnation nor seq", first(func(s *events.Server) { s.Incarnation, s.Seq = 0, 0 }), ""},
		{"a weight below zero", first(func(s *events.Server) { s.Weight = -1 }), "server 0: weight"},
		{"a weight of zero", first(func(s *events.Server) { s.Weight = 0 }), ""},
		{"a weight above the highest", first(func(s *events.Server) { s.Weight = 1001 }), "server 0: weight"},
		{"no interval", first(func(s *events.Server) { s.IntervalMS = 0 }), "server 0: interval_ms 0 and ttl_ms 10000"},
		{"no TTL", first(func(s *events.Server) { s.TTLMS = 0 }), "server 0: interval_ms 5000 and ttl_ms 0"},
		{"a negative TTL", first(func(s *events.Server) { s.TTLMS = -1 }), "server 0: interval"},
		{"an interval of its TTL", first(func(s *events.Server) { s.IntervalMS = s.TTLMS }), "server 0: interval"},
		{"a TTL of years", first(func(s *events.Server) { s.TTLMS = 1 << 40 }), "server 0: interval"},
		{"a zone too long", first(func(s *events.Server) { s.Zone = strings.Repeat("z", 129) }), "server 0: meta: zone"},
		{"an empty tag", first(func(s *events.Server) { s.Tags = []string{""} }), "server 0: meta: tag"},
		{"a meta value too long", first(func(s *events.Server) {
			s.Meta = events.NewMeta(map[string]string{"rack": strings.Repeat("r", 257)})
		}), "server 0: meta: meta value"},
		{"a server that appears twice", func(s *registry.Snapshot) {
			s.Servers[1].ID = s.Servers[0].ID
		}, `server 1: "data/s-0" appears twice`},
		{"one id in two services", func(s *registry.Snapshot) {
			s.Servers[1].ID, s.Servers[1].Service = s.Servers[0].ID, "other"
		}, ""},
		{"two servers on one address", func(s *registry.Snapshot) {
			s.Servers[1].Addr = s.Servers[0].Addr
		}, `server 1: "data/s-1" has the address 10.0.0.0:8080 of "data/s-0"`},
		{"two servers on one address in two spellings", func(s *registry.Snapshot) {
			s.Servers[0].Addr, s.Servers[1].Addr = "[2001:db8::1]:80", "[2001:DB8:0::1]:80"
		}, `server 1: "data/s-1" has the address [2001:db8::1]:80 of "data/s-0"`},
		{"two services on one address", func(s *registry.Snapshot) {
			s.Servers[1].Addr, s.Servers[1].Service = s.Servers[0].Addr, "other"
		}, ""},
		{"a tombstone without service", tombstone(func(g *registry.Tombstone) { g.Service = "" }), "tombstone 0: service"},
		{"a tombstone without id", tombstone(func(g *registry.Tombstone) { g.ID = "" }), "tombstone 0: id is empty"},
		{"a tombstone with a negative incarnation", tombstone(func(g *registry.Tombstone) { g.Incarnation = -1 }), "tombstone 0: incarnation"},
		{"a tombstone with a type that removes no server", tombstone(func(g *registry.Tombstone) { g.Type = events.TypeSuspected }), "tombstone 0: type"},
		{"a tombstone without type", tombstone(func(g *registry.Tombstone) { g.Type = "" }), "tombstone 0: type"},
		{"a tombstone of an expired server", tombstone(func(g *registry.Tombstone) { g.Type, g.Reason = events.TypeExpired, events.CauseRefused }), ""},
		{"a tombstone of a replaced server", tombstone(func(g *registry.Tombstone) { g.Type, g.Reason = events.TypeReplaced, events.CauseAddress }), ""},
		{"a tombstone with a reason of another type", tombstone(func(g *registry.Tombstone) { g.Reason = events.CauseTTL }), "tombstone 0: reason"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := snapshotOf(3)
			tt.change(s)
			err := s.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "registry: snapshot: "+tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "\n"):
				t.Errorf("%q is more than one line", err)
			}
		})
	}
}
