package events

import (
	"slices"
	"time"
)

// State is the state of a server in the registry of an API server.
type State string

const (
	StateAlive    State = "alive"    // neither suspect nor draining
	StateSuspect  State = "suspect"  // may be dead, for example because no heartbeat arrived for 0.7 of the TTL
	StateDraining State = "draining" // alive with weight 0: finishes its requests, receives no new ones
)

// Server describes a server in the HTTP API and in lifecycle events. Its slices and pointers refer to data that never
// changes.
type Server struct {
	Service      string    `json:"service"`
	ID           string    `json:"id"`
	Addr         string    `json:"addr"`
	State        State     `json:"state"`
	Incarnation  int64     `json:"incarnation"`
	Seq          uint64    `json:"seq"` // seq of the newest heartbeat
	IntervalMS   int64     `json:"interval_ms"`
	TTLMS        int64     `json:"ttl_ms"`
	Weight       int       `json:"weight"`
	Zone         string    `json:"zone"`
	Version      string    `json:"version"`
	Tags         []string  `json:"tags"` // never nil in events and in the API
	Meta         Meta      `json:"meta"`
	Load         *Load     `json:"load,omitempty"`
	RegisteredAt time.Time `json:"registered_at"`
	LastSeen     time.Time `json:"last_seen"`           // when the newest heartbeat was published
	LastProbe    time.Time `json:"last_probe,omitzero"` // when the server last stated its identity to a probe; zero if a heartbeat is newer
	AgeMS        int64     `json:"age_ms"`              // how much of the lease has elapsed
	Via          string    `json:"via"`                 // address of the nsqd through which the newest heartbeat came
}

// Key returns service/id, which is unique.
func (s *Server) Key() string { return s.Service + "/" + s.ID }

// HasTag reports whether tag is one of the server's tags.
func (s *Server) HasTag(tag string) bool { return slices.Contains(s.Tags, tag) }
