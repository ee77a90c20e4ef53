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

// targetGroup is an element of the list that http_sd_configs of Prometheus reads. Each server is a group of its own.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// metaLabel is the prefix of every label. Prometheus drops labels that begin with __meta_ after relabeling. So a label that changes,
// such as the state, starts no new series unless the configuration of Prometheus uses it.
const metaLabel = "__meta_rollcall_"

// listTargets lists the servers for Prometheus. Prometheus removes the targets that a list lacks, but keeps its targets when it gets an
// error. So the response is a 503 while servers may be missing.
func (s *Server) listTargets(w http.ResponseWriter, r *http.Request) error {
	q, err := parseFilter(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	members, err := s.cfg.Registry.Members(ctx)
	if err != nil {
		return err
	}
	servers := members.Select(q.selection())
	if err := s.checkTargets(members, len(servers)); err != nil {
		return err
	}
	return s.respondList(ctx, w, len(servers), func() (any, error) {
		groups := make([]targetGroup, 0, len(servers))
		for _, srv := range servers {
			groups = append(groups, targetGroup{[]string{srv.Addr}, targetLabels(srv)})
		}
		return groups, nil
	})
}

// checkTargets returns an error if servers may be missing in the list.
func (s *Server) checkTargets(list *registry.Membership, servers int) error {
	if list.Mode == registry.ModeWarming {
		return fmt.Errorf("%w: the mode is warming, so servers may be missing", errNotReady)
	}
	if err := s.checkEmpty(list, servers); err != nil {
		return err
	}
	return s.ready(list.Complete)
}

// targetLabels returns the labels of a server. It uses only fields that do not change with each heartbeat. To Prometheus, an empty label
// is the same as an absent label.
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
		add("tags", ","+strings.Join(srv.Tags, ",")+",") // the regular expression .*,blue,.* finds blue at any position
	}
	for _, e := range srv.Meta { // Meta is sorted by key: if two keys have the same label name, add always uses the first key
		add("meta_"+labelName(e.Key), e.Value)
	}
	return labels
}

// labelName replaces each character of key that a label name cannot have with an underscore.
func labelName(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
}
