package apiserver

import (
	"context"
	"fmt"
	"net/http"

	"rollcall/services/registry"
)

// listTargets lists the servers for Prometheus. Prometheus removes the targets that a list lacks, but keeps its targets when it gets an
// error. So the response is a 503 while servers may be missing.
func (s *Server) listTargets(w http.ResponseWriter, r *http.Request) error {
	q, err := parseFilter(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	return s.respondList(ctx, w, r, func() (list, error) {
		members, err := s.cfg.Registry.Members(ctx)
		if err != nil {
			return list{}, err
		}
		if err := s.checkTargets(members); err != nil {
			return list{}, err
		}
		p := newPage(members, q)
		return list{
			filter: q.filter(), entries: p.size(), entrySize: serverSize, generation: p.generation(), now: s.cfg.Now(), keep: keepMembership,
			check:  func(entries int) error { return s.checkEmpty(members, entries) },
			encode: func(ctx context.Context, t *text) error { return s.encodeTargets(ctx, t, p) },
		}, nil
	})
}

// checkTargets returns an error if servers may be missing in the list.
func (s *Server) checkTargets(list *registry.Membership) error {
	if list.Mode == registry.ModeWarming {
		return fmt.Errorf("%w: the mode is warming, so servers may be missing", errNotReady)
	}
	return s.ready(list.Complete)
}
