package registry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// restorableRoll is a roll of so many servers as a registry saves it, and one that ended.
func restorableRoll(servers int) *registry.Saved {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := &registry.Saved{Version: registry.SavedVersion, Observer: "api-1", SavedAt: now, Revision: 7}
	for i := range servers {
		s.Servers = append(s.Servers, &events.Server{
			Service: "data", ID: fmt.Sprintf("s-%d", i), Addr: fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255),
			State: events.StateAlive, Incarnation: 1763812345678, Seq: 42, IntervalMS: 5000, TTLMS: 10_000, Weight: 100,
			Zone: "a", Version: "1.4.2", Tags: []string{"blue"}, Meta: events.NewMeta(map[string]string{"rack": "r7"}),
			RegisteredAt: now, LastSeen: now, Via: "127.0.0.1:4150",
		})
	}
	s.Gone = []registry.Gone{{
		Service: "data", ID: "gone", Incarnation: 1763812345678, Ordinal: 42, Type: events.TypeLeft, Reason: events.CauseLeave, Time: now,
	}}
	return s
}

func TestSavedNamesTheFirstThingThatIsWrong(t *testing.T) {
	first := func(change func(*events.Server)) func(*registry.Saved) {
		return func(s *registry.Saved) { change(s.Servers[0]) }
	}
	gone := func(change func(*registry.Gone)) func(*registry.Saved) {
		return func(s *registry.Saved) { change(&s.Gone[0]) }
	}
	for _, tt := range []struct {
		name   string
		change func(*registry.Saved)
		want   string // in the error; none if there is none
	}{
		{"as it was saved", func(*registry.Saved) {}, ""},
		{"nobody there", func(s *registry.Saved) { s.Servers, s.Gone = nil, nil }, ""},
		{"a version before", func(s *registry.Saved) { s.Version-- }, "version 0, want 1"},
		{"a version after", func(s *registry.Saved) { s.Version++ }, "version 2, want 1"},
		{"no observer", func(s *registry.Saved) { s.Observer = "" }, "observer is empty"},
		{"a million servers", func(s *registry.Saved) { s.Servers = make([]*events.Server, 1_000_000) }, "server 0 is null"},
		{"too many servers", func(s *registry.Saved) { s.Servers = make([]*events.Server, 1_000_001) }, "1000001 servers"},
		{"a server that is null", func(s *registry.Saved) { s.Servers[1] = nil }, "server 1 is null"},
		{"no service", first(func(s *events.Server) { s.Service = "" }), "server 0: service"},
		{"an odd service", first(func(s *events.Server) { s.Service = "../x" }), "server 0: service"},
		{"no id", first(func(s *events.Server) { s.ID = "" }), "server 0: meta: id"},
		{"an id with a line end", first(func(s *events.Server) { s.ID = "a\nb" }), "server 0: meta: id"},
		{"no address", first(func(s *events.Server) { s.Addr = "" }), "server 0: address"},
		{"the name of a host", first(func(s *events.Server) { s.Addr = "localhost:80" }), "server 0: address"},
		{"port 0", first(func(s *events.Server) { s.Addr = "10.0.0.7:0" }), "server 0: address"},
		{"a negative incarnation", first(func(s *events.Server) { s.Incarnation = -1 }), "server 0: incarnation"},
		{"an incarnation without a seq", first(func(s *events.Server) { s.Seq = 0 }), "server 0: seq"},
		{"a sender that states neither", first(func(s *events.Server) { s.Incarnation, s.Seq = 0, 0 }), ""},
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
		{"a server that is there twice", func(s *registry.Saved) {
			s.Servers[1].ID = s.Servers[0].ID
		}, `server 1: "data/s-0" is there twice`},
		{"one id in two services", func(s *registry.Saved) {
			s.Servers[1].ID, s.Servers[1].Service = s.Servers[0].ID, "other"
		}, ""},
		{"two servers on one address", func(s *registry.Saved) {
			s.Servers[1].Addr = s.Servers[0].Addr
		}, `server 1: "data/s-1" has the address 10.0.0.0:8080 of "data/s-0"`},
		{"two servers on one address in two spellings", func(s *registry.Saved) {
			s.Servers[0].Addr, s.Servers[1].Addr = "[2001:db8::1]:80", "[2001:DB8:0::1]:80"
		}, `server 1: "data/s-1" has the address [2001:db8::1]:80 of "data/s-0"`},
		{"two services on one address", func(s *registry.Saved) {
			s.Servers[1].Addr, s.Servers[1].Service = s.Servers[0].Addr, "other"
		}, ""},
		{"gone of no service", gone(func(g *registry.Gone) { g.Service = "" }), "gone 0: service"},
		{"gone of no id", gone(func(g *registry.Gone) { g.ID = "" }), "gone 0: id is empty"},
		{"gone with a negative incarnation", gone(func(g *registry.Gone) { g.Incarnation = -1 }), "gone 0: incarnation"},
		{"gone by a type that ends nobody", gone(func(g *registry.Gone) { g.Type = events.TypeSuspected }), "gone 0: type"},
		{"gone by no type", gone(func(g *registry.Gone) { g.Type = "" }), "gone 0: type"},
		{"expired", gone(func(g *registry.Gone) { g.Type, g.Reason = events.TypeExpired, events.CauseRefused }), ""},
		{"replaced", gone(func(g *registry.Gone) { g.Type, g.Reason = events.TypeReplaced, events.CauseAddress }), ""},
		{"gone for a reason that does not go with it", gone(func(g *registry.Gone) { g.Reason = events.CauseTTL }), "gone 0: reason"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := restorableRoll(3)
			tt.change(s)
			err := s.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want none", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "registry: saved: "+tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "\n"):
				t.Errorf("%q is more than one line", err)
			}
		})
	}
}
