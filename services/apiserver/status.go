package apiserver

import (
	"context"
	"net/http"
	"time"

	"rollcall/services/registry"
)

// Status is the answer of GET /v1/status.
type Status struct {
	ID        string        `json:"id"`
	Version   string        `json:"version"`
	UptimeS   int64         `json:"uptime_s"`
	StartedAt time.Time     `json:"started_at"`
	Mode      registry.Mode `json:"mode"`
	ModeSince time.Time     `json:"mode_since,omitzero"`
	Detail    string        `json:"detail"`   // what the mode means
	Complete  bool          `json:"complete"` // heartbeats were heard on time for an interval, or the roll was restored: every server that publishes is known
	Revision  uint64        `json:"revision"`
	Servers   Counts        `json:"servers"`
	Outbox    Outbox        `json:"outbox"`
	NSQD      []Node        `json:"nsqd"` // never null
}

// Outbox is what becomes of lifecycle events until a broker has them.
type Outbox struct {
	Length  int    `json:"length"`  // events that wait
	Dropped uint64 `json:"dropped"` // events that waited too long, since the start
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r.URL.RawQuery); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	stats, err := s.cfg.Registry.Stats(ctx)
	if err != nil {
		return err
	}
	roll, err := s.cfg.Registry.Members(ctx, registry.Query{})
	if err != nil {
		return err
	}
	status := Status{
		ID:        s.cfg.ID,
		Version:   s.cfg.Version,
		UptimeS:   int64(s.cfg.Now().Sub(s.started) / time.Second),
		StartedAt: s.started,
		Mode:      stats.Mode,
		ModeSince: stats.ModeSince.UTC().Truncate(time.Millisecond),
		Detail:    stats.ModeDetail,
		Complete:  stats.Complete,
		Revision:  roll.Revision,
		Outbox:    Outbox{Length: stats.Outbox, Dropped: stats.Dropped},
		NSQD:      withSight(s.cfg.Nodes(), stats.Sights),
	}
	for _, srv := range roll.Servers {
		status.Servers.add(srv.State)
	}
	return respondJSON(w, status)
}

// withSight joins what the connections tell with what the registry does.
func withSight(nodes []Node, sights []registry.Sight) []Node {
	joined := append([]Node{}, nodes...)
	for i := range joined {
		joined[i].Sight = registry.SightNew
		for _, s := range sights {
			if s.Address == joined[i].Address {
				joined[i].Sight, joined[i].LagMS = s.State, s.Lag.Milliseconds()
			}
		}
	}
	return joined
}
