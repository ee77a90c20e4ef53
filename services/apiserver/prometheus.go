package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"rollcall/events"
	"rollcall/services/registry"
)

// targetGroup is one server in the answer of GET /v1/prometheus/targets, which is what http_sd of Prometheus reads.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// prometheusTargets answers with 503 where the list may be incomplete: Prometheus then keeps the one that it has.
func (s *Server) prometheusTargets(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if q.Wait > 0 {
		return &parameterError{"index", "is for /v1/servers: here nothing waits"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	roll, err := s.cfg.Registry.Members(ctx, q.selection())
	if err != nil {
		return err
	}
	if roll.Mode == registry.ModeWarming {
		return fmt.Errorf("%w: warming: the list may be incomplete", errNotReady)
	}
	if len(roll.Servers) == 0 {
		if err := s.emptyIsTrue(roll); err != nil {
			return err
		}
	}
	groups := make([]targetGroup, 0, len(roll.Servers))
	for _, srv := range roll.Servers {
		groups = append(groups, targetGroup{[]string{srv.Addr}, targetLabels(srv)})
	}
	return respondJSON(w, groups)
}

const labelPrefix = "__meta_rollcall_"

// targetLabels are what a server says of itself, without what it does not say. Two API servers tell the same, but for the
// state.
func targetLabels(s *events.Server) map[string]string {
	labels := make(map[string]string, 6+len(s.Meta))
	set := func(name, value string) {
		name = labelPrefix + name
		if _, taken := labels[name]; value != "" && !taken { // two keys of metadata may have one name: the first in order has it
			labels[name] = value
		}
	}
	set("service", s.Service)
	set("id", s.ID)
	set("state", string(s.State))
	set("zone", s.Zone)
	set("version", s.Version)
	set("weight", strconv.Itoa(s.Weight))
	if len(s.Tags) > 0 {
		set("tags", ","+strings.Join(s.Tags, ",")+",") // so that .*,blue,.* finds one
	}
	for _, m := range s.Meta {
		set("meta_"+labelName(m.Key), m.Value)
	}
	return labels
}

// labelName has an underscore for each character that a label of Prometheus before 3.0 may not have.
func labelName(key string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, key)
}
