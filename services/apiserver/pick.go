package apiserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/registry"
)

// What Config.Pick returns where it chooses nobody.
var (
	// ErrNoServer says that the service has no server that can be chosen.
	ErrNoServer = errors.New("apiserver: no live server")
	// ErrPolicy says that there is no such policy. An error that wraps it tells the client which there are.
	ErrPolicy = errors.New("apiserver: no such policy")
)

// pickServer answers with the server as it is now, while who was chosen is of the membership.
func (s *Server) pickServer(w http.ResponseWriter, r *http.Request) error {
	service := r.PathValue("service")
	if !events.ValidService(service) {
		return &parameterError{"service", notService}
	}
	policy, key, err := parsePick(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	picked, err := s.cfg.Pick(ctx, service, policy, key)
	if errors.Is(err, ErrNoServer) {
		return s.noServer(ctx, service)
	}
	if err != nil {
		return err
	}
	e, err := s.cfg.Registry.Explain(ctx, service, picked.ID, s.cfg.Now())
	if errors.Is(err, registry.ErrNotFound) { // gone this very moment, as it may be in the next one
		return respondJSON(w, picked)
	}
	if err != nil {
		return err
	}
	return respondJSON(w, e.Server)
}

// noServer says why there is none.
func (s *Server) noServer(ctx context.Context, service string) error {
	roll, err := s.cfg.Registry.Members(ctx, registry.Query{Service: service})
	if err != nil {
		return err
	}
	if err := s.emptyIsTrue(roll); err != nil {
		return err
	}
	return fmt.Errorf("%w of service %s", ErrNoServer, service)
}

// parsePick leaves it to Config.Pick which policies there are. The error is a *parameterError.
func parsePick(raw string) (policy, key string, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "", "", &parameterError{raw, "is not a query: " + err.Error()}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value, err := single(values[name])
		if err != nil {
			return "", "", &parameterError{name, err.Error()}
		}
		switch name {
		case "policy":
			policy = value
		case "key":
			key = value
		default:
			return "", "", &parameterError{name, "is unknown"}
		}
	}
	if policy == string(balancer.Hash) && key == "" {
		return "", "", &parameterError{"key", "is missing: the policy hash goes by it"}
	}
	return policy, key, nil
}
