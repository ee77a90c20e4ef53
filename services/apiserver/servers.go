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
	Complete bool             `json:"complete"` // see Status.Complete
	Time     time.Time        `json:"time"`     // time of the response by the clock of the API server; compare LastSeen and LastProbe with this time
	Servers  []*events.Server `json:"servers"`  // sorted by service and id; never null
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
	return s.respondList(ctx, w, countUpTo(smallList+1, members, q.selection()), func() (any, error) {
		now := s.cfg.Now()
		list, servers, err := s.cfg.Registry.List(ctx, q.selection(), now)
		if err != nil {
			return nil, err
		}
		if err := s.checkEmpty(list, len(servers)); err != nil {
			return nil, err
		}
		w.Header().Set("ETag", s.etag(list, q))
		return ServerList{list.Revision, list.Mode, list.Complete, now.UTC().Truncate(time.Millisecond), append([]*events.Server{}, servers...)}, nil
	})
}

// countUpTo counts the servers that q selects, and stops counting at limit.
func countUpTo(limit int, members *registry.Membership, q registry.Query) int {
	n := 0
	for srv := range members.All() {
		if n == limit {
			break
		}
		if q.Matches(srv) {
			n++
		}
	}
	return n
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
	q.Wait, q.Complete = 0, false // Wait and Complete do not filter servers, so they are not part of the ETag
	filter := fnv.New64a()
	filter.Write([]byte(q.values().Encode()))
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
