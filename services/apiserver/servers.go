package apiserver

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// ServerList is the response of GET /v1/servers.
type ServerList struct {
	Revision uint64           `json:"revision"`
	Mode     registry.Mode    `json:"mode"`
	Complete bool             `json:"complete"`       // see Status.Complete
	Time     time.Time        `json:"time"`           // time of the response by the clock of the API server; compare LastSeen and LastProbe with this time
	Servers  []*events.Server `json:"servers"`        // sorted by service and id; never null
	Next     string           `json:"next,omitempty"` // if servers are left that Query.Limit cut off: Query.After of the next page
}

func (s *Server) listServers(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if q.Wait > 0 {
		s.await(r.Context(), q.Index, q.Wait)
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	members, err := s.cfg.Registry.Members(ctx)
	if err != nil {
		return err
	}
	if err := s.checkComplete(members, q.Complete); err != nil {
		return err
	}
	if s.unchanged(w, r, members, q) {
		return nil
	}
	page := newPage(members, q)
	entries := page.count(smallList + 1)
	if err := s.checkEmpty(members, entries); err != nil {
		return err
	}
	now := s.cfg.Now()
	return s.respondList(ctx, w, r, list{
		filter: q.filter(), entries: entries, entrySize: serverSize, generation: members.Generation, now: now, keep: keepVitals, etag: s.etag(members, q),
		encode: func(ctx context.Context, t *text) error { return s.encodeServers(ctx, t, page, now) },
	})
}

// await waits until the revision differs from the parameter index, until the membership changes without a new revision (as when a restored
// server answers a probe), until the time wait has passed, or until the process stops. If index is greater than the revision, await returns
// at once: such an index comes from before a restart of the API server.
func (s *Server) await(ctx context.Context, index uint64, wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	watch := s.cfg.Registry.Watch(ctx)
	for first := true; ; first = false {
		select {
		case membership, ok := <-watch:
			if !ok || membership.Revision != index || !first {
				return
			}
		case <-ctx.Done():
			return
		case <-s.draining:
			return
		}
	}
}

// unchanged responds with 304 and returns true if the client has the current membership.
func (s *Server) unchanged(w http.ResponseWriter, r *http.Request, members *registry.Membership, q Query) bool {
	known := r.Header.Get("If-None-Match")
	if known == "" {
		return false
	}
	tag := s.etag(members, q)
	for one := range strings.SplitSeq(known, ",") {
		if strings.TrimPrefix(strings.TrimSpace(one), "W/") == strings.TrimPrefix(tag, "W/") {
			w.Header().Set("ETag", tag)
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

// etag identifies a membership by the process, the generation, and the filter. The ETag is weak, because it stays the same when seq,
// age_ms, last_seen, load and via change. A 304 means that no server registered, changed or ended.
func (s *Server) etag(of *registry.Membership, q Query) string {
	filter := fnv.New64a()
	filter.Write([]byte(q.filter()))
	return fmt.Sprintf(`W/"%s-%d-%x"`, s.boot, of.Generation, filter.Sum64())
}

func (s *Server) explainServer(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r.URL.RawQuery); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	e, err := s.cfg.Registry.Explain(ctx, r.PathValue("service"), r.PathValue("id"), s.cfg.Now())
	if err != nil {
		return err
	}
	return respondJSON(w, e)
}
