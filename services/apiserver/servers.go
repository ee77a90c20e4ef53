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
	Index    uint64           `json:"index"` // Query.Index of a long poll that waits for the next change; never 0
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
	return s.respondList(r.Context(), w, r, func() (list, error) {
		members, index, err := s.current(r.Context(), q)
		if err != nil {
			return list{}, err
		}
		q.Wait = 0 // a long poll waits once
		if err := s.checkComplete(members, q.Complete); err != nil {
			return list{}, err
		}
		page, now, filter := newPage(members, q), s.cfg.Now(), q.filter()
		return list{
			filter: filter, entries: page.size(), entrySize: serverSize, generation: members.Generation, now: now, keep: keepVitals,
			etag:   s.etag(members, index, filter),
			check:  func(entries int) error { return s.checkEmpty(members, entries) },
			encode: func(ctx context.Context, t *text) error { return s.encodeServers(ctx, t, page, index, now) },
		}, nil
	})
}

// unchanged responds with 304 and returns true if the client has the list with this ETag.
func unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	known := r.Header.Get("If-None-Match")
	if known == "" {
		return false
	}
	for one := range strings.SplitSeq(known, ",") {
		if strings.TrimPrefix(strings.TrimSpace(one), "W/") == strings.TrimPrefix(tag, "W/") {
			w.Header().Set("ETag", tag)
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

// etag identifies a list by the process, its index, the mode, whether it is complete, and the filter. The ETag is weak, because it stays the
// same when the revision and seq, age_ms, last_seen, load and via change. A 304 means that no selected server registered, changed or ended.
func (s *Server) etag(of *registry.Membership, index uint64, filter string) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %v", filter, of.Mode, of.Complete)
	return fmt.Sprintf(`W/"%s-%d-%x"`, s.boot, index, h.Sum64())
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
