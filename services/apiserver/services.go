package apiserver

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"rollcall/services/registry"
)

// serviceSize is the usual size of a Service in JSON, in bytes.
const serviceSize = 80

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
	return s.respondList(ctx, w, r, func() (list, error) {
		members, err := s.cfg.Registry.Members(ctx)
		if err != nil {
			return list{}, err
		}
		if err := s.checkComplete(members, complete); err != nil {
			return list{}, err
		}
		return list{
			entries: len(members.Services), entrySize: serviceSize, generation: members.Generation, now: s.cfg.Now(), keep: keepMembership,
			check:  func(entries int) error { return s.checkEmpty(members, entries) },
			encode: func(ctx context.Context, t *text) error { return s.encodeServices(ctx, t, members) },
		}, nil
	})
}

// encodeServices appends a ServiceList to t.
func (s *Server) encodeServices(ctx context.Context, t *text, members *registry.Membership) error {
	b := strconv.AppendUint(append(t.last(), `{"revision":`...), members.Revision, 10)
	b = appendString(append(b, `,"mode":`...), string(members.Mode))
	b = strconv.AppendBool(append(b, `,"complete":`...), members.Complete)
	t.set(append(b, `,"services":[`...))
	separate := false
	for some := range slices.Chunk(members.Services, batchSize) {
		err := s.lists.encoding.do(ctx, func() {
			for _, service := range some {
				b := t.last()
				if separate {
					b = append(b, ',')
				}
				separate = true
				t.set(appendService(b, service))
			}
		})
		if err != nil {
			return err
		}
	}
	t.set(append(t.last(), "]}\n"...))
	t.entries = len(members.Services)
	return nil
}

func appendService(b []byte, s *registry.Service) []byte {
	b = appendString(append(b, `{"service":`...), s.Name)
	b = strconv.AppendInt(append(b, `,"alive":`...), int64(s.Counts.Alive), 10)
	b = strconv.AppendInt(append(b, `,"suspect":`...), int64(s.Counts.Suspect), 10)
	b = strconv.AppendInt(append(b, `,"draining":`...), int64(s.Counts.Draining), 10)
	return append(b, '}')
}
