package events

import (
	"slices"
	"time"
)

// State is what an API server thinks of a server.
type State string

const (
	StateAlive    State = "alive"    // heard within its lease
	StateSuspect  State = "suspect"  // silent for most of its lease
	StateDraining State = "draining" // alive with weight 0: finishes what it has, takes nothing new
)

// Server is one server as an API server knows it, in the API and in lifecycle events. It is a
// value: what it refers to is never changed.
type Server struct {
	Service      string    `json:"service"`
	ID           string    `json:"id"`
	Addr         string    `json:"addr"`
	State        State     `json:"state"`
	Incarnation  int64     `json:"incarnation"`
	Seq          uint64    `json:"seq"` // of the newest heartbeat
	IntervalMS   int64     `json:"interval_ms"`
	TTLMS        int64     `json:"ttl_ms"`
	Weight       int       `json:"weight"`
	Zone         string    `json:"zone"`
	Version      string    `json:"version"`
	Tags         []string  `json:"tags"` // never nil from an API server
	Meta         Meta      `json:"meta"`
	Load         *Load     `json:"load,omitempty"`
	RegisteredAt time.Time `json:"registered_at"`
	LastSeen     time.Time `json:"last_seen"`           // when the newest heartbeat was published
	LastProbe    time.Time `json:"last_probe,omitzero"` // when it told its id to a probe last; none if a heartbeat is newer
	AgeMS        int64     `json:"age_ms"`              // how much of the lease has passed
	Via          string    `json:"via"`                 // nsqd that the newest heartbeat came through
}

// Key names the server among all: service/id.
func (s *Server) Key() string { return s.Service + "/" + s.ID }

// HasTag reports whether tag is one of the server's tags.
func (s *Server) HasTag(tag string) bool { return slices.Contains(s.Tags, tag) }
