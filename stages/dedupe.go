package stages

import (
	"context"
	"hash/maphash"
	"sync/atomic"

	"rollcall/events"
	"rollcall/pipeline"
)

// Dedupe drops a heartbeat that was remembered: the same service, id, incarnation and seq (or the
// same broker stamp, where the sender states no seq), published in the same quarter of its TTL. A process that starts
// again with the same incarnation says the same (incarnation, seq) later, and must get to the registry.
type Dedupe struct{ Seen *Seen }

func (d Dedupe) Process(_ context.Context, env *pipeline.Envelope) error {
	if d.Seen.has(env) {
		return pipeline.Drop(events.ReasonDuplicate)
	}
	return nil
}

// Remember marks a heartbeat as seen. It comes after the registry took it, so that one which failed on
// the way is not dropped when NSQ delivers it again.
type Remember struct{ Seen *Seen }

func (r Remember) Process(_ context.Context, env *pipeline.Envelope) error {
	r.Seen.add(env)
	return nil
}

// seenSlots is enough for two beats of each of 100 000 servers; one slot is 8 bytes.
const seenSlots = 1 << 18

// Seen is a bounded memory of heartbeats: a direct-mapped cache of their hashes. Two that share a slot
// drive each other out, so a duplicate may pass, which the registry finds harmless; a heartbeat that is new
// is taken for a duplicate only if 64 bits of hash agree. It needs no lock, no clock and no cleaner.
type Seen struct {
	seed  maphash.Seed
	slots []atomic.Uint64
}

// NewSeen allocates its 2 MiB at once.
func NewSeen() *Seen { return &Seen{seed: maphash.MakeSeed(), slots: make([]atomic.Uint64, seenSlots)} }

func (s *Seen) has(env *pipeline.Envelope) bool {
	h := s.hash(env)
	return s.slots[h%seenSlots].Load() == h
}

func (s *Seen) add(env *pipeline.Envelope) {
	h := s.hash(env)
	s.slots[h%seenSlots].Store(h)
}

type identity struct {
	kind        events.Kind
	service, id string
	incarnation int64
	nth         uint64
	quarter     int64 // of a TTL, by nsqd's clock
}

func (s *Seen) hash(env *pipeline.Envelope) uint64 {
	h := env.Heartbeat
	published := env.Receipt.PublishedAt.UnixNano()
	nth := h.Seq
	if nth == 0 {
		nth = uint64(published)
	}
	return maphash.Comparable(s.seed, identity{h.Type, h.Service, h.ID, h.Incarnation, nth, published / max(1, int64(h.TTL()/4))})
}
