package registry

import (
	"slices"
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

// Membership is the set of known servers at one revision. It is immutable and may be kept and shared.
type Membership struct {
	Revision   uint64
	Generation uint64 // number of this Membership in this process; each new Membership has a higher one, even if no event was emitted
	Mode       Mode
	Complete   bool      // the registry knows every server that publishes; see state.whole
	Silent     []string  // addresses of the nsqd through which no message arrives, sorted
	Conflict   *Conflict // another API server with the same id, or nil
	// Servers are sorted by service and id. Their vitals (seq, last seen, age, load, via) are the vitals at the last transition
	// of each server, because a heartbeat that changes nothing makes no new membership. Registry.List has the current vitals.
	Servers []*events.Server
}

// vitals are the values that each heartbeat renews.
type vitals struct {
	Seq       uint64
	LastSeen  time.Time
	LastProbe time.Time     // when the server last answered a probe; zero if a heartbeat is newer
	Age       time.Duration // age of the lease
	Load      *events.Load
	Via       string
}

func (v vitals) apply(s *events.Server) {
	s.Seq, s.LastSeen, s.LastProbe, s.AgeMS, s.Load, s.Via = v.Seq, v.LastSeen, v.LastProbe, v.Age.Milliseconds(), v.Load, v.Via
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

func (q *Query) all() bool {
	return q.Service == "" && q.State == "" && q.Zone == "" && len(q.Tags) == 0 && len(q.Meta) == 0
}

// The method without returns a copy of the membership that contains no servers.
func (s *Membership) without() *Membership {
	part := *s
	part.Servers = nil
	return &part
}

// Select returns the part of the membership that q selects.
func (s *Membership) Select(q Query) *Membership {
	if q.all() {
		return s
	}
	part := s.without()
	for _, srv := range s.Servers {
		if q.Matches(srv) {
			part.Servers = append(part.Servers, srv)
		}
	}
	return part
}
