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

// PickQuery says how a server is chosen. The zero PickQuery leaves it to the service's own policy.
type PickQuery struct {
	Policy   string
	Key      string // what the policy hash goes by
	Complete bool   // while the roll may lack servers the answer is an error of status 503
}

// Picked is the answer of GET /v1/services/{service}/pick.
type Picked struct {
	events.Server
	Complete bool `json:"complete"` // every server that publishes heartbeats was known; see Status
}

// pickServer answers with the server as it is now, while who was chosen is of the membership.
func (s *Server) pickServer(w http.ResponseWriter, r *http.Request) error {
	service := r.PathValue("service")
	if !events.ValidService(service) {
		return &parameterError{"service", notService}
	}
	q, err := parsePick(r.URL.RawQuery)
	if err != nil {
		return err
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
	picked, err := s.cfg.Pick(ctx, service, q.Policy, q.Key)
	if errors.Is(err, ErrNoServer) {
		return s.noServer(ctx, service)
	}
	if err != nil {
		return err
	}
	e, err := s.cfg.Registry.Explain(ctx, service, picked.ID, s.cfg.Now())
	if errors.Is(err, registry.ErrNotFound) { // gone this very moment, as it may be in the next one
		return respondJSON(w, Picked{*picked, members.Complete})
	}
	if err != nil {
		return err
	}
	return respondJSON(w, Picked{e.Server, members.Complete})
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
func parsePick(raw string) (q PickQuery, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return q, &parameterError{raw, "is not a query: " + err.Error()}
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
		return q, &parameterError{"key", "is missing: the policy hash goes by it"}
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
