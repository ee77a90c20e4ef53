package registry

import (
	"iter"
	"slices"
	"strings"
	"time"

	"rollcall/events"
)

// Mode says how far the registry trusts its reception: see README.md.
type Mode = events.Mode

// The values of Mode.
const (
	ModeWarming = events.ModeWarming
	ModeNormal  = events.ModeNormal
	ModeHolding = events.ModeHolding
	ModeBlind   = events.ModeBlind
)

// Membership is the set of known servers at one revision. It is immutable and may be kept and shared. It has one Service for each service,
// and a Service has blocks of servers. The next Membership shares every Service and every Block that did not change.
type Membership struct {
	Revision   uint64
	Generation uint64 // number of this Membership in this process; each new Membership has a higher one, even if no event was emitted
	Mode       Mode
	Complete   bool       // the registry knows every server that publishes; see state.whole
	Silent     []string   // addresses of the nsqd through which no message arrives, sorted
	Conflict   *Conflict  // another API server with the same id, or nil
	Services   []*Service // sorted by name; no Service is empty
}

// Service is the set of servers of one service. It is immutable and may be kept and shared. A nil Service has no servers.
type Service struct {
	Name       string
	Generation uint64   // generation of the first Membership that has this Service; a Service that changes gets a higher one
	Blocks     []*Block // sorted by id; no Block is empty
	Counts     Counts
}

// Block is a part of the servers of a service. It is immutable and may be kept and shared.
type Block struct {
	// Servers has at most 256 servers, sorted by id. Their vitals (seq, last seen, age, load, via) are the vitals at the last transition
	// of each server, because a heartbeat that changes nothing makes no new Membership. Registry.Vitals returns the current vitals.
	Servers []*events.Server
	Counts  Counts

	serials []uint64  // for each server, in order, the number of its view; see record.serial
	records []*record // the records of Servers; only the goroutine of Run reads them
}

// Counts has the number of servers in each state.
type Counts struct {
	Alive    int `json:"alive"`
	Suspect  int `json:"suspect"`
	Draining int `json:"draining"`
}

// Add adds the numbers of d.
func (c *Counts) Add(d Counts) {
	c.Alive += d.Alive
	c.Suspect += d.Suspect
	c.Draining += d.Draining
}

// Total returns the number of servers in all states.
func (c Counts) Total() int { return c.Alive + c.Suspect + c.Draining }

// NewMembership returns a Membership of servers that belong to no Registry, for tests of code that reads memberships. The servers must
// be sorted by service and id.
func NewMembership(servers []*events.Server) *Membership {
	s := newState(Config{})
	for _, srv := range servers {
		s.show(&record{view: srv})
	}
	return s.members()
}

// Service returns the Service with a name, or nil if no server of it is known.
func (m *Membership) Service(name string) *Service {
	i, found := slices.BinarySearchFunc(m.Services, name, (*Service).compareName)
	if !found {
		return nil
	}
	return m.Services[i]
}

func (s *Service) compareName(name string) int { return strings.Compare(s.Name, name) }

// Counts returns the sums over all services. The cost is proportional to the number of services.
func (m *Membership) Counts() (sum Counts) {
	for _, s := range m.Services {
		sum.Add(s.Counts)
	}
	return sum
}

// Len returns the number of servers. The cost is proportional to the number of services.
func (m *Membership) Len() int { return m.Counts().Total() }

// All yields the servers, sorted by service and id.
func (m *Membership) All() iter.Seq[*events.Server] {
	return func(yield func(*events.Server) bool) {
		for _, s := range m.Services {
			for srv := range s.All() {
				if !yield(srv) {
					return
				}
			}
		}
	}
}

// Len returns the number of servers.
func (s *Service) Len() int {
	if s == nil {
		return 0
	}
	return s.Counts.Total()
}

// All yields the servers, sorted by id.
func (s *Service) All() iter.Seq[*events.Server] {
	return func(yield func(*events.Server) bool) {
		if s == nil {
			return
		}
		for _, b := range s.Blocks {
			for _, srv := range b.Servers {
				if !yield(srv) {
					return
				}
			}
		}
	}
}

// Server returns the server with an id, or nil.
func (s *Service) Server(id string) *events.Server {
	if s == nil {
		return nil
	}
	b, _ := slices.BinarySearchFunc(s.Blocks, id, func(b *Block, id string) int { return strings.Compare(b.last().ID, id) })
	if b == len(s.Blocks) {
		return nil
	}
	servers := s.Blocks[b].Servers
	i, found := slices.BinarySearchFunc(servers, id, func(srv *events.Server, id string) int { return strings.Compare(srv.ID, id) })
	if !found {
		return nil
	}
	return servers[i]
}

func (b *Block) last() *events.Server { return b.Servers[len(b.Servers)-1] }

// Select returns the servers that q selects, sorted by service and id. The caller owns the slice.
func (m *Membership) Select(q Query) []*events.Server {
	var servers []*events.Server
	for _, s := range m.selected(q) {
		servers = slices.Grow(servers, s.Len())
		for srv := range s.All() {
			if q.Matches(srv) {
				servers = append(servers, srv)
			}
		}
	}
	return servers
}

// selected returns the services that can have servers which q selects.
func (m *Membership) selected(q Query) []*Service {
	if q.Service == "" {
		return m.Services
	}
	if s := m.Service(q.Service); s != nil {
		return []*Service{s}
	}
	return nil
}

// Query selects servers. The zero Query selects all servers; each field that is set excludes servers.
type Query struct {
	Service string
	State   events.State
	Zone    string
	Tags    []string    // the server has all of these tags
	Meta    events.Meta // the server has all of these entries
}

// Matches reports whether q selects s.
func (q *Query) Matches(s *events.Server) bool {
	if q.Service != "" && q.Service != s.Service ||
		q.State != "" && q.State != s.State ||
		q.Zone != "" && q.Zone != s.Zone ||
		slices.ContainsFunc(q.Tags, func(tag string) bool { return !s.HasTag(tag) }) {
		return false
	}
	for _, e := range q.Meta {
		if v, ok := s.Meta.Get(e.Key); !ok || v != e.Value {
			return false
		}
	}
	return true
}

// Vitals are the values of a server that each heartbeat renews.
type Vitals struct {
	Seq       uint64
	LastSeen  time.Time
	LastProbe time.Time     // when the server last answered a probe; zero if a heartbeat is newer
	Age       time.Duration // age of the lease
	Load      *events.Load  // immutable; nil if the server reports no load
	Via       string
}

// Apply sets the vitals of s.
func (v Vitals) Apply(s *events.Server) {
	s.Seq, s.LastSeen, s.LastProbe, s.AgeMS, s.Load, s.Via = v.Seq, v.LastSeen, v.LastProbe, v.Age.Milliseconds(), v.Load, v.Via
}
