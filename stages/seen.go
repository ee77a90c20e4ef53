package stages

import (
	"hash/maphash"
	"sync/atomic"

	"rollcall/events"
	"rollcall/pipeline"
)

// seenSlots is 262 144: enough for two heartbeats of each of 100 000 servers. A slot takes 8 bytes.
const seenSlots = 1 << 18

// Seen is a bounded set of heartbeats: a direct-mapped cache of their hashes. Two heartbeats with the same slot evict each
// other, so Seen can miss a duplicate. That does no harm, because the registry ignores duplicates. Seen takes a new heartbeat
// for a duplicate only if all 64 bits of two hashes are equal. It needs no lock, no clock and no cleanup.
type Seen struct {
	seed  maphash.Seed
	slots []atomic.Uint64
}

// NewSeen returns an empty set. It allocates 2 MiB: seenSlots of 8 bytes.
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
	ordinal     uint64 // the seq, or nsqd's timestamp if the sender states no seq
	quarter     int64  // nsqd's time in quarters of a TTL: a process that restarts with the same incarnation repeats its seqs in a later quarter
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
