package apiserver

import (
	"context"
	"sync"

	"rollcall/services/registry"
)

// keptIndexes bounds how many indexes are kept.
const keptIndexes = 256

// indexes keeps the indexes of selections of the newest membership, because many clients ask with the same filter, and the index of a
// selection with a filter costs as much as reading all servers.
type indexes struct {
	turns turns // for computing an index

	mu         sync.Mutex
	generation uint64 // of the membership
	known      map[string]uint64
}

// of returns Membership.Index of the selection of q. It waits for its turn for at most 5 s. The error is that of the wait.
func (x *indexes) of(ctx context.Context, m *registry.Membership, q Query) (index uint64, err error) {
	selection := q.selection()
	if selection.Whole() {
		return m.Index(selection), nil
	}
	key := Query{Service: q.Service, State: q.State, Zone: q.Zone, Tags: q.Tags, Meta: q.Meta}.values().Encode()
	index, found := x.get(m.Generation, key)
	if found {
		return index, nil
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	err = x.turns.do(ctx, func() {
		if index, found = x.get(m.Generation, key); !found { // another request may have computed it meanwhile
			index = m.Index(selection)
			x.put(m.Generation, key, index)
		}
	})
	return index, err
}

func (x *indexes) get(generation uint64, key string) (index uint64, found bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if generation == x.generation {
		index, found = x.known[key]
	}
	return index, found
}

func (x *indexes) put(generation uint64, key string, index uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if generation > x.generation || len(x.known) >= keptIndexes {
		x.generation, x.known = max(generation, x.generation), make(map[string]uint64)
	}
	if generation == x.generation {
		x.known[key] = index
	}
}
