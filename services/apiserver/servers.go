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

// ServerList is the answer of GET /v1/servers: servers in order of service and id, at one revision.
type ServerList struct {
	Revision uint64           `json:"revision"`
	Mode     registry.Mode    `json:"mode"`
	Complete bool             `json:"complete"` // every server that publishes heartbeats is known; see Status
	Time     time.Time        `json:"time"`     // of the API server, to which last_seen and last_probe compare
	Servers  []*events.Server `json:"servers"`  // never null
}

func (s *Server) listServers(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if q.Wait > 0 {
		s.await(r.Context(), q.Index, q.Wait)
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	members, err := s.cfg.Registry.Members(ctx, registry.Query{})
	if err != nil {
		return err
	}
	if err := s.completeIfAsked(members, q.Complete); err != nil {
		return err
	}
	if s.unchanged(w, r, members, q) {
		return nil
	}
	return s.respondList(ctx, w, countUpTo(smallList+1, members, q.selection()), func() (any, error) {
		now := s.cfg.Now()
		list, err := s.cfg.Registry.List(ctx, q.selection(), now)
		if err != nil {
			return nil, err
		}
		if err := s.emptyIsTrue(list); err != nil {
			return nil, err
		}
		w.Header().Set("ETag", s.etag(list, q))
		return ServerList{list.Revision, list.Mode, list.Complete, now.UTC().Truncate(time.Millisecond), append([]*events.Server{}, list.Servers...)}, nil
	})
}

// countUpTo counts the servers that q selects, and stops at limit.
func countUpTo(limit int, members *registry.Membership, q registry.Query) int {
	n := 0
	for _, srv := range members.Servers {
		if n == limit {
			break
		}
		if q.Matches(srv) {
			n++
		}
	}
	return n
}

// await returns when the revision is another than index, when the membership changes without one (a restored server that
// answers is no event), after wait, or when the server drains. An index ahead of the revision comes from before a restart,
// and so is another one, too.
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

// unchanged answers 304 if the client has the membership as it is.
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

// etag names a membership: the process, its generation, and the filter. It is weak because the vitals (seq, age_ms,
// last_seen, load, via) move on under the same tag. So a 304 says that nobody came, went or changed, and
// not that the ages are those of then.
func (s *Server) etag(of *registry.Membership, q Query) string {
	q.Wait, q.Complete = 0, false // they select nothing
	filter := fnv.New64a()
	filter.Write([]byte(q.values().Encode()))
	return fmt.Sprintf(`W/"%s-%d-%x"`, s.boot, of.Generation, filter.Sum64())
}

func (s *Server) explainServer(w http.ResponseWriter, r *http.Request) error {
	if err := noParameters(r.URL.RawQuery); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	e, err := s.cfg.Registry.Explain(ctx, r.PathValue("service"), r.PathValue("id"), s.cfg.Now())
	if err != nil {
		return err
	}
	return respondJSON(w, e)
}
