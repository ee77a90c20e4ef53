package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"rollcall/services/registry"
)

// Status is the response of GET /v1/status.
type Status struct {
	ID        string        `json:"id"`
	Version   string        `json:"version"`
	UptimeS   int64         `json:"uptime_s"`
	StartedAt time.Time     `json:"started_at"`
	Mode      registry.Mode `json:"mode"`
	ModeSince time.Time     `json:"mode_since,omitzero"`
	Detail    string        `json:"detail"`   // what the mode means and what needs attention, in words
	Complete  bool          `json:"complete"` // the registry knows every server that publishes heartbeats: no message was late for one interval, or a fresh snapshot was restored
	Revision  uint64        `json:"revision"`
	Servers   Counts        `json:"servers"`
	Outbox    Outbox        `json:"outbox"`
	NSQD      []Node        `json:"nsqd"` // never null
	Conflict  *Conflict     `json:"id_conflict,omitempty"`
}

// Conflict is another API server with the same id.
type Conflict struct {
	StartedAt time.Time `json:"started_at"` // when the other API server started, by the clock of the other API server
	Since     time.Time `json:"since"`      // when this API server detected the conflict
	Ready     bool      `json:"ready"`      // this API server started earlier than the other API server, so it stays ready
	Detail    string    `json:"detail"`
}

// Outbox describes the lifecycle events that are not yet published.
type Outbox struct {
	Length        int    `json:"length"`        // events that wait to be published
	Dropped       uint64 `json:"dropped"`       // events dropped since the process started, because too many waited
	Unpublishable uint64 `json:"unpublishable"` // events dropped since the process started, because nsqd never accepts them, for example if they are too large

	FailingSince time.Time `json:"failing_since,omitzero"` // since when no event can be published; absent if the last event was published
	Error        string    `json:"error,omitempty"`        // why no event can be published
}

// EventsState is the state of publishing lifecycle events. Err is nil if the last event was published.
type EventsState struct {
	Unpublishable uint64 // see Outbox.Unpublishable
	FailingSince  time.Time
	Err           error
}

// describe says since when and why lifecycle events are not published, and how many wait. It returns "" if publishing works.
func (o Outbox) describe() string {
	if o.FailingSince.IsZero() {
		return ""
	}
	return fmt.Sprintf("; since %s lifecycle events are not published, %d wait: %s", o.FailingSince.Format(time.RFC3339), o.Length, o.Error)
}

func outboxOf(stats registry.Stats, e EventsState) Outbox {
	o := Outbox{Length: stats.Outbox, Dropped: stats.Dropped, Unpublishable: e.Unpublishable}
	if e.Err != nil {
		o.FailingSince, o.Error = e.FailingSince.UTC().Truncate(time.Millisecond), e.Err.Error()
	}
	return o
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r.URL.RawQuery); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	stats, err := s.cfg.Registry.Stats(ctx)
	if err != nil {
		return err
	}
	members, err := s.cfg.Registry.Members(ctx)
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
		Detail:    stats.ModeDetail + lossDetail(s.cfg.Nodes()),
		Complete:  stats.Complete,
		Revision:  members.Revision,
		Servers:   members.Counts(),
		Outbox:    outboxOf(stats, s.cfg.Events()),
		NSQD:      withReception(s.cfg.Nodes(), stats.NSQD),
	}
	status.Detail += status.Outbox.describe()
	if c := stats.Conflict; c != nil {
		status.Conflict = &Conflict{c.Started, c.Since, !c.Yields, c.Detail}
	}
	return respondJSON(w, status)
}

// withReception returns a copy of nodes to which the reception and the lag of each nsqd are added. The parameter receptions comes from the
// registry.
func withReception(nodes []Node, receptions []registry.NSQD) []Node {
	joined := append([]Node{}, nodes...)
	for i := range joined {
		joined[i].Reception = registry.NSQDNew
		for _, s := range receptions {
			if s.Address == joined[i].Address {
				joined[i].Reception, joined[i].LagMS = s.Reception, s.Lag.Milliseconds()
			}
		}
	}
	return joined
}
