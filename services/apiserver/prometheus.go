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

// targetGroup is what Prometheus' http_sd_configs reads a list of. Each server is a group of its own.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// metaLabel begins the name of every label. Prometheus drops those of __meta_ once it has relabeled a target, so that a
// label which changes, as the state does, begins no new series for who does not ask for it.
const metaLabel = "__meta_rollcall_"

// listTargets tells Prometheus whom to scrape. It takes a list as the whole truth, and at anything but a list keeps the
// one that it has: so an answer that may lack servers is a 503.
func (s *Server) listTargets(w http.ResponseWriter, r *http.Request) error {
	q, err := parseFilter(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	roll, err := s.cfg.Registry.Members(ctx, q.selection())
	if err != nil {
		return err
	}
	if err := s.listIsTrue(roll); err != nil {
		return err
	}
	return s.respondList(ctx, w, len(roll.Servers), func() (any, error) {
		groups := make([]targetGroup, 0, len(roll.Servers))
		for _, srv := range roll.Servers {
			groups = append(groups, targetGroup{[]string{srv.Addr}, targetLabels(srv)})
		}
		return groups, nil
	})
}

// listIsTrue says why a list may lack servers that are there, or nil.
func (s *Server) listIsTrue(list *registry.Membership) error {
	if list.Mode == registry.ModeWarming {
		return fmt.Errorf("%w: nsqd has not been heard, or heard again, for long enough to know everybody", errNotReady)
	}
	if err := s.emptyIsTrue(list); err != nil {
		return err
	}
	return s.ready(list.Complete)
}

// targetLabels are what does not change with each heartbeat or restart. Prometheus knows no difference between an empty
// label and none.
func targetLabels(srv *events.Server) map[string]string {
	labels := make(map[string]string)
	add := func(name, value string) {
		if _, taken := labels[metaLabel+name]; value != "" && !taken {
			labels[metaLabel+name] = value
		}
	}
	add("service", srv.Service)
	add("id", srv.ID)
	add("state", string(srv.State))
	add("zone", srv.Zone)
	add("version", srv.Version)
	add("weight", strconv.Itoa(srv.Weight))
	if len(srv.Tags) > 0 {
		add("tags", ","+strings.Join(srv.Tags, ",")+",") // so that .*,blue,.* is a regex for blue, wherever it stands
	}
	for _, e := range srv.Meta { // in order of key: of two with one name the first is taken, at each answer
		add("meta_"+labelName(e.Key), e.Value)
	}
	return labels
}

// labelName is key with an underscore for each character that a label's name cannot have.
func labelName(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
}
