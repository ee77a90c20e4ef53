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

// index returns the index of the selection q. It is between 1 and maxIndex, so no list has the index 0.
func (s *Server) index(m *registry.Membership, q registry.Query) uint64 {
	return max(1, (s.indexBase+m.Index(q))&maxIndex)
}

// current returns the current membership and the index of the selection q. If q is a long poll and the client has the current list, it waits
// first until the selection has changed, until q.Wait has passed, or until the process stops. The error is that of the registry.
func (s *Server) current(ctx context.Context, q Query) (*registry.Membership, uint64, error) {
	selection := q.selection()
	members, index, err := s.indexed(ctx, selection)
	if err != nil || q.Wait == 0 || q.Index != index {
		return members, index, err
	}
	s.await(ctx, members, selection, q.Wait)
	return s.indexed(ctx, selection)
}

// indexed returns the current membership and the index of the selection q.
func (s *Server) indexed(ctx context.Context, q registry.Query) (*registry.Membership, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	members, err := s.cfg.Registry.Members(ctx)
	if err != nil {
		return nil, 0, err
	}
	return members, s.index(members, q), nil
}

// await returns when the selection q differs from that in the membership was, when the time wait has passed, when ctx ends, or when the
// registry or the process stops.
func (s *Server) await(ctx context.Context, was *registry.Membership, q registry.Query, wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if q.Service != "" {
		follow(ctx, s.draining, s.cfg.Registry.WatchService(ctx, q.Service), was.Service(q.Service), q)
		return
	}
	follow(ctx, s.draining, s.cfg.Registry.Watch(ctx), was, q)
}

// follow reads the changes until the selection q differs, until the channel is closed, or until ctx or the process ends. It keeps no old
// membership while it waits.
func follow[T interface {
	Differs(before T, q registry.Query) bool
}](ctx context.Context, draining <-chan struct{}, changes <-chan T, was T, q registry.Query) {
	for {
		select {
		case is, open := <-changes:
			if !open || is.Differs(was, q) {
				return
			}
			was = is
		case <-ctx.Done():
			return
		case <-draining:
			return
		}
	}
}
