package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"rollcall/services/registry"
)

// aliveTimeout bounds how long /livez and /readyz wait for the registry.
const aliveTimeout = time.Second

// livez responds with an error if the registry does not respond. Only a restart repairs such a registry.
func (s *Server) livez(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.stats(r); err != nil {
		return err
	}
	respond(w, http.StatusOK, textType, []byte("ok\n"))
	return nil
}

// readyz responds with 200 once the registry is complete and Config.Ready returns no error. It stays 200 while no nsqd can be reached: the
// registry keeps all servers then, and taking API servers out of use would turn an outage of NSQ into an outage for users. While two API
// servers with the same id run, only the API server that started first is ready, so that a wrong id does not affect users.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	stats, err := s.stats(r)
	if err != nil {
		return err
	}
	if err := s.ready(stats.Complete); err != nil {
		return err
	}
	if c := stats.Conflict; c != nil && c.Yields {
		return fmt.Errorf("%w: %s", errNotReady, c.Detail)
	}
	respond(w, http.StatusOK, textType, []byte("ok\n"))
	return nil
}

// ready returns an error if servers may be missing in the registry, or if Config.Ready returns an error.
func (s *Server) ready(complete bool) error {
	if !complete {
		return fmt.Errorf("%w: the registry is not complete: heartbeats have not arrived on time for one interval", errNotReady)
	}
	if err := s.cfg.Ready(); err != nil {
		return fmt.Errorf("%w: %w", errNotReady, err)
	}
	return nil
}

// checkEmpty returns an error if the list is empty although servers may exist: no message arrives through any nsqd, or the method ready
// returns an error.
func (s *Server) checkEmpty(list *registry.Membership, servers int) error {
	if servers > 0 {
		return nil
	}
	if list.Mode == registry.ModeBlind {
		return fmt.Errorf("%w: no message arrives through any nsqd", errNotReady)
	}
	return s.ready(list.Complete)
}

// checkComplete returns an error if the client requires a complete list and servers may be missing in the list.
func (s *Server) checkComplete(list *registry.Membership, required bool) error {
	if !required {
		return nil
	}
	return s.ready(list.Complete)
}

func (s *Server) stats(r *http.Request) (registry.Stats, error) {
	ctx, cancel := context.WithTimeout(r.Context(), aliveTimeout)
	defer cancel()
	return s.cfg.Registry.Stats(ctx)
}
