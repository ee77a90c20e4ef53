package apiserver

import (
	"context"
	"hash/fnv"
	"time"

	"rollcall/services/registry"
)

// Bounds of a long poll.
const (
	DefaultWait = 30 * time.Second // wait of a long poll that has the parameter "index" but not the parameter "wait"
	MaxWait     = 5 * time.Minute  // longest wait that a request can have
)

// maxIndex is the greatest index. JavaScript and other readers of JSON cannot represent every greater integer.
const maxIndex = 1<<53 - 1

// indexBase returns the number that a process adds to the indexes of the registry. An index of another process, or of another API server,
// is then very probably not the index of a different list.
func indexBase(boot, id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(boot + "/" + id))
	return h.Sum64()
}

// index returns the index of the selection of q. It is between 1 and maxIndex, so no list has the index 0. The error is that of the wait for a turn.
func (s *Server) index(ctx context.Context, m *registry.Membership, q Query) (uint64, error) {
	index, err := s.indexes.of(ctx, m, q)
	return max(1, (s.indexBase+index)&maxIndex), err
}

// current returns the current membership and the index of the selection q. If q is a long poll and the client has the current list, it waits
// first until the selection has changed, until q.Wait has passed, or until the process stops. The error is that of the registry.
func (s *Server) current(ctx context.Context, q Query) (*registry.Membership, uint64, error) {
	var members *registry.Membership
	if q.Wait > 0 && q.Index > 0 {
		members = s.await(ctx, q)
	}
	if members == nil {
		ctx, cancel := context.WithTimeout(ctx, queryTimeout)
		defer cancel()
		var err error
		if members, err = s.cfg.Registry.Members(ctx); err != nil {
			return nil, 0, err
		}
	}
	index, err := s.index(ctx, members, q)
	return members, index, err
}

// await returns the first membership in which the selection of q does not have the index q.Index. It returns nil when q.Wait has passed, when
// ctx ends, or when the registry or the process stops.
func (s *Server) await(ctx context.Context, q Query) *registry.Membership {
	ctx, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	var memberships <-chan *registry.Membership
	if q.Service != "" {
		memberships = s.cfg.Registry.WatchService(ctx, q.Service)
	} else {
		memberships = s.cfg.Registry.Watch(ctx)
	}
	p := poll{query: q.selection()}
	for first := true; ; first = false {
		select {
		case is, open := <-memberships:
			if !open {
				return nil
			}
			if first {
				if index, err := s.index(ctx, is, q); err != nil || index != q.Index {
					return is
				}
			} else if p.differs(is) {
				return is
			}
			p.keep(is)
		case <-ctx.Done():
			return nil
		case <-s.draining:
			return nil
		}
	}
}

// poll has what a long poll keeps of the last membership while it waits. A poll of one service keeps only this service, because the other
// services change while it waits.
type poll struct {
	query      registry.Query
	membership *registry.Membership
	service    *registry.Service
}

func (p *poll) keep(m *registry.Membership) {
	if p.query.Service != "" {
		p.service = m.Service(p.query.Service)
	} else {
		p.membership = m
	}
}

// differs reports whether the selected servers have changed since the membership that keep has kept.
func (p *poll) differs(m *registry.Membership) bool {
	if p.query.Service != "" {
		return m.Service(p.query.Service).Differs(p.service, p.query)
	}
	return m.Differs(p.membership, p.query)
}
