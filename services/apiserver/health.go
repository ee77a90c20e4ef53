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
	if _, err := s.stats(r); err != nil {
		return err
	}
	respond(w, http.StatusOK, textType, []byte("ok\n"))
	return nil
}

// readyz is 503 while another API server with the same id is heard that started earlier: that one stays ready, so a wrong
// id costs no user anything. Else it is 200 once the roll is complete, and stays so while no broker can be heard: the roll is kept then, and an API
// server that others took out of use would turn an outage of brokers into one of users.
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

// ready says why the roll may be incomplete, or nil.
func (s *Server) ready(complete bool) error {
	if !complete {
		return fmt.Errorf("%w: the roll is not complete: heartbeats have not been heard on time for an interval", errNotReady)
	}
	if err := s.cfg.Ready(); err != nil {
		return fmt.Errorf("%w: %w", errNotReady, err)
	}
	return nil
}

// emptyIsTrue says why a list without a server may be a mistake of ours, or nil; one that has a server is not judged.
func (s *Server) emptyIsTrue(of *registry.Membership) error {
	if len(of.Servers) > 0 {
		return nil
	}
	if of.Mode == registry.ModeBlind {
		return fmt.Errorf("%w: nothing comes through any nsqd", errNotReady)
	}
	return s.ready(of.Complete)
}

// completeIfAsked says why a list may lack servers, or nil; a client that does not ask for a complete one gets it as it is.
func (s *Server) completeIfAsked(list *registry.Membership, asked bool) error {
	if !asked {
		return nil
	}
	return s.ready(list.Complete)
}

func (s *Server) stats(r *http.Request) (registry.Stats, error) {
	ctx, cancel := context.WithTimeout(r.Context(), aliveTimeout)
	defer cancel()
	return s.cfg.Registry.Stats(ctx)
}
