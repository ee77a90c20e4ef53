package stages

import (
	"hash/maphash"
	"sync/atomic"

	"rollcall/events"
	"rollcall/pipeline"
)

// seenSlots holds two heartbeats of each of 100 000 servers, at 8 bytes a slot.
const seenSlots = 1 << 18

// Seen is a bounded set of heartbeats: a direct-mapped cache of their hashes. Two heartbeats with the same slot evict each
// other, so it may miss a duplicate, which does no harm in the registry. It takes a new heartbeat for a duplicate only if
// all 64 bits of two hashes are equal. It needs no lock, no clock and no cleanup.
type Seen struct {
	seed  maphash.Seed
	slots []atomic.Uint64
}

// NewSeen allocates 2 MiB.
func NewSeen() *Seen { return &Seen{seed: maphash.MakeSeed(), slots: make([]atomic.Uint64, seenSlots)} }

func (s *Seen) has(env *pipeline.Envelope) bool {
	h := s.hash(env)
	return s.slots[h%seenSlots].Load() == h
}

func (s *Seen) add(env *pipeline.Envelope) {
	h := s.hash(env)
	s.slots[h%seenSlots].Store(h)
}

// identity is equal for two deliveries of one heartbeat.
type identity struct {
	kind        events.Kind
	service, id string
	incarnation int64
	ordinal     uint64 // the seq; nsqd's timestamp if the sender states none
	quarter     int64  // of a TTL, by nsqd's clock: a process that starts again with the same incarnation repeats its seqs later
}

func (s *Seen) hash(env *pipeline.Envelope) uint64 {
	h := env.Heartbeat
	published := env.Receipt.PublishedAt.UnixNano()
	ordinal := h.Seq
	if ordinal == 0 {
		ordinal = uint64(published)
	}
	return maphash.Comparable(s.seed, identity{h.Type, h.Service, h.ID, h.Incarnation, ordinal, published / max(1, int64(h.TTL()/4))})
}
