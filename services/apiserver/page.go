package apiserver

import (
	"iter"
	"slices"
	"strings"

	"rollcall/events"
	"rollcall/services/registry"
)

// page selects servers of a membership.
type page struct {
	members *registry.Membership
	query   registry.Query
	fields  []string
	limit   int // 0: no limit

	afterService, afterID string // the page begins after this server
}

func newPage(members *registry.Membership, q Query) page {
	p := page{members: members, query: q.selection(), fields: q.Fields, limit: q.Limit}
	p.afterService, p.afterID, _ = strings.Cut(q.After, "/")
	return p
}

// services returns the services that can have servers of the page.
func (p page) services() []*registry.Service {
	all := p.members.Services
	first, _ := slices.BinarySearchFunc(all, max(p.query.Service, p.afterService), compareService)
	all = all[first:]
	if p.query.Service == "" {
		return all
	}
	if len(all) > 0 && all[0].Name == p.query.Service {
		return all[:1]
	}
	return nil
}

// generation returns the generation from which on the servers of the page have been the same, except for their vitals.
func (p page) generation() uint64 {
	if s := p.members.Service(p.query.Service); s != nil {
		return s.Generation
	}
	return p.members.Generation
}

func compareService(s *registry.Service, name string) int { return strings.Compare(s.Name, name) }

// blocks yields the blocks that can have servers of the page, each with the index of its first server that can be one.
func (p page) blocks() iter.Seq2[*registry.Block, int] {
	return func(yield func(*registry.Block, int) bool) {
		for _, s := range p.services() {
			for _, b := range s.Blocks {
				first := 0
				if s.Name == p.afterService {
					found := false
					first, found = slices.BinarySearchFunc(b.Servers, p.afterID, func(srv *events.Server, id string) int { return strings.Compare(srv.ID, id) })
					if found {
						first++
					}
				}
				if first < len(b.Servers) && !yield(b, first) {
					return
				}
			}
		}
	}
}

// size returns how many servers must be read for the page at most.
func (p page) size() (n int) {
	for _, s := range p.services() {
		n += s.Len()
	}
	if p.limit > 0 && p.query.Whole() {
		n = min(n, p.limit)
	}
	return n
}
