package apiserver

import (
	"context"
	"net/http"

	"rollcall/events"
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
type Counts struct {
	Alive    int `json:"alive"`
	Suspect  int `json:"suspect"`
	Draining int `json:"draining"`
}

func (c *Counts) add(state events.State) {
	switch state {
	case events.StateAlive:
		c.Alive++
	case events.StateSuspect:
		c.Suspect++
	case events.StateDraining:
		c.Draining++
	}
}

func (s *Server) listServices(w http.ResponseWriter, r *http.Request) error {
	complete, err := parseComplete(r.URL.RawQuery)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	members, err := s.cfg.Registry.Members(ctx, registry.Query{})
	if err != nil {
		return err
	}
	if err := s.checkComplete(members, complete); err != nil {
		return err
	}
	if err := s.checkEmpty(members); err != nil {
		return err
	}
	services := countServices(members.Servers)
	return s.respondList(ctx, w, len(services), func() (any, error) {
		return ServiceList{members.Revision, members.Mode, members.Complete, services}, nil
	})
}

// countServices counts the servers of each service by state. The servers must be sorted by service.
func countServices(servers []*events.Server) []Service {
	services := make([]Service, 0)
	for _, srv := range servers {
		if n := len(services); n == 0 || services[n-1].Name != srv.Service {
			services = append(services, Service{Name: srv.Service})
		}
		services[len(services)-1].add(srv.State)
	}
	return services
}
