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
		Mode:      roll.Mode,
		Revision:  roll.Revision,
		Outbox:    Outbox{Length: stats.Outbox, Dropped: stats.Dropped},
		NSQD:      append([]Node{}, s.cfg.Nodes()...),
	}
	for _, srv := range roll.Servers {
		status.Servers.add(srv.State)
	}
	return respondJSON(w, status)
}
