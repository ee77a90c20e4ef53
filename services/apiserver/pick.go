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

// Errors that Config.Pick can return.
var (
	// ErrNoServer means that the service has no server that can be chosen.
	ErrNoServer = errors.New("apiserver: no live server")
	// ErrPolicy means that the policy does not exist. An error that wraps ErrPolicy should name the valid policies.
	ErrPolicy = errors.New("apiserver: no such policy")
)

// PickQuery selects how a server is chosen. The zero PickQuery means the policy that is configured for the service.
type PickQuery struct {
	Policy   string
	Key      string // the policy "hash" sends equal keys to the same server
	Complete bool   // the response is a 503 while servers may be missing in the registry
}

// Picked is the response of GET /v1/services/{service}/pick.
type Picked struct {
	events.Server
	Complete bool `json:"complete"` // see Status.Complete
}

// pickServer lets Config.Pick choose a server, and responds with the current state of this server in the registry.
func (s *Server) pickServer(w http.ResponseWriter, r *http.Request) error {
	service := r.PathValue("service")
	if !events.ValidService(service) {
		return &parameterError{"service", notService}
	}
	q, err := parsePick(r.URL.RawQuery)
	if err != nil {
		return err
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
	picked, err := s.cfg.Pick(ctx, service, q.Policy, q.Key)
	if errors.Is(err, ErrNoServer) {
		return s.noServer(ctx, service)
	}
	if err != nil {
		return err
	}
	e, err := s.cfg.Registry.Explain(ctx, service, picked.ID, s.cfg.Now())
	if errors.Is(err, registry.ErrNotFound) { // removed after Pick chose it; returned all the same, because a server can be removed at any time
		return respondJSON(w, Picked{*picked, members.Complete})
	}
	if err != nil {
		return err
	}
	return respondJSON(w, Picked{e.Server, members.Complete})
}

// noServer returns the reason why no server could be chosen.
func (s *Server) noServer(ctx context.Context, service string) error {
	members, err := s.cfg.Registry.Members(ctx)
	if err != nil {
		return err
	}
	if err := s.checkEmpty(members, members.Service(service).Len()); err != nil {
		return err
	}
	return fmt.Errorf("%w of service %s", ErrNoServer, service)
}

// parsePick parses the query of a pick. It does not check the policy, because Config.Pick does. The error is a *parameterError.
func parsePick(raw string) (q PickQuery, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, &parameterError{raw, "is not a valid query: " + err.Error()}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value, err := single(values[name])
		if err != nil {
			return q, &parameterError{name, err.Error()}
		}
		switch name {
		case "policy":
			q.Policy = value
		case "key":
			q.Key = value
		case "complete":
			if err := isTrue(value); err != nil {
				return q, &parameterError{name, err.Error()}
			}
			q.Complete = true
		default:
			return q, &parameterError{name, "is unknown"}
		}
	}
	if q.Policy == string(balancer.Hash) && q.Key == "" {
		return q, &parameterError{"key", "is missing: the policy hash requires it"}
	}
	return q, nil
}

func (q PickQuery) values() url.Values {
	v := make(url.Values)
	for name, value := range map[string]string{"policy": q.Policy, "key": q.Key, "complete": map[bool]string{true: "true"}[q.Complete]} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}
