package apiserver

import (
	"context"
	"net/http"

	"rollcall/services/registry"
)

// ServiceList is the response of GET /v1/services.
type ServiceList struct {
	Revision uint64        `json:"revision"`
	Mode     registry.Mode `json:"mode"`
	Complete bool          `json:"complete"` // see Status.Complete
	Services []Service     `json:"services"` // sorted by name; never null
}

// Service counts the servers of one service.
type Service struct {
	Name string `json:"service"`
	Counts
}

// Counts has the number of servers in each state.
type Counts = registry.Counts

func (s *Server) listServices(w http.ResponseWriter, r *http.Request) error {
	complete, err := parseComplete(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	members, err := s.cfg.Registry.Members(ctx)
	if err != nil {
		return err
	}
	if err := s.checkComplete(members, complete); err != nil {
		return err
	}
	if err := s.checkEmpty(members, len(members.Services)); err != nil {
		return err
	}
	services := countServices(members)
	return s.respondList(ctx, w, len(services), func() (any, error) {
		return ServiceList{members.Revision, members.Mode, members.Complete, services}, nil
	})
}

// countServices returns the counts of each service.
func countServices(members *registry.Membership) []Service {
	services := make([]Service, 0, len(members.Services))
	for _, s := range members.Services {
		services = append(services, Service{s.Name, s.Counts})
	}
	return services
}
