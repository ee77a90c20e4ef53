package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"rollcall/services/registry"
)

// aliveTimeout is what the registry's goroutine has to answer in to count as alive.
const aliveTimeout = time.Second

// livez is 200 as long as the registry answers: if it does not, only a restart helps.
func (s *Server) livez(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.mode(r); err != nil {
		return err
	}
	respond(w, http.StatusOK, textType, []byte("ok\n"))
	return nil
}

// readyz is 200 once the roll is complete, and while heartbeats are heard.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	mode, err := s.mode(r)
	if err != nil {
		return err
	}
	if err := s.ready(mode); err != nil {
		return err
	}
	respond(w, http.StatusOK, textType, []byte("ok\n"))
	return nil
}

// ready says why the roll may be incomplete, or nil.
func (s *Server) ready(mode registry.Mode) error {
	if mode == registry.ModeWarming {
		return fmt.Errorf("%w: warming, the roll may be incomplete", errNotReady)
	}
	if err := s.cfg.Ready(); err != nil {
		return fmt.Errorf("%w: %w", errNotReady, err)
	}
	return nil
}

func (s *Server) mode(r *http.Request) (registry.Mode, error) {
	ctx, cancel := context.WithTimeout(r.Context(), aliveTimeout)
	defer cancel()
	stats, err := s.cfg.Registry.Stats(ctx)
	return stats.Mode, err
}
