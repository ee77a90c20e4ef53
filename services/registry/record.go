package registry

import (
	"slices"
	"strings"
	"time"

	"rollcall/events"
)

// key identifies a server.
type key struct{ service, id string }

// record holds what the state knows about one server. Most of the memory of an API server is in its records: see
// BenchmarkMemoryPerServer.
type record struct {
	// view is what readers see. Readers share a view, so a change replaces it and never modifies it. The vitals in the view
	// (seq, last seen, load, via) are from the time when the view was made.
	view *events.Server

	// A renewal uses only the fields below. Reading the view and its strings would double the cost of a renewal, because at 10 000
	// servers the strings are in no CPU cache: see BenchmarkObserve. incarnation, ttl and suspect are copies of fields of the view.
	incarnation int64
	ttl         time.Duration
	fingerprint uint64 // fingerprint of the heartbeat that the view was made from
	serial      uint64 // number of the view: the registry gives each view a number of its own

	suspect     bool
	provisional bool // the server is suspect only because this process restored it; no event has reported this suspicion
	arrived     arrived
	kept        uint8 // number of heartbeats in the field beats; 0 if this process has applied no heartbeat
	oldest      uint8 // index of the oldest heartbeat in the field beats, if it is full
	via         via   // nsqd through which the newest heartbeat came

	stamp    leaseTime     // start of the lease: lease time of the newest heartbeat or answer to a probe
	beat     leaseTime     // lease time when the newest heartbeat was published
	sent     time.Duration // when the newest heartbeat was published, by the time of the state
	claimed  time.Duration // when the first heartbeat from the current address was published, by the time of the state
	lastSeen int64         // when the newest heartbeat was published, Unix nanoseconds
	ordinal  uint64        // number that orders the newest heartbeat; see the function ordinal
	load     *events.Load
	inquiry  *inquiry // nil for most servers

	due        time.Duration // when to judge the server next; the fields due, slot, next and prev belong to the wheel
	slot       int64
	next, prev *record

	beats   [keptBeats]beat // ring buffer of the newest heartbeats
	changes []change        // at most keptChanges transitions, the newest last
}

// beat is a heartbeat as explain shows it. Each record has several beats and changes, so these types are kept small.
type beat struct {
	at      int64 // when the heartbeat was received, Unix nanoseconds
	ordinal uint64
	delay   uint32 // how long the heartbeat waited in NSQ, in milliseconds
	via     via
}

type change struct {
	at   int64 // when the transition happened, Unix nanoseconds
	step step
}

// Explain shows this many heartbeats and transitions: enough to see the rhythm of the heartbeats and where it broke.
const (
	keptBeats   = 5
	keptChanges = 8
)

// The constant never is earlier than every time. Its difference to any time does not overflow.
const never = -1 << 62

// The constant forever is later than every time. Its difference to any time does not overflow.
const forever = -never

func (r *record) key() key { return key{r.view.Service, r.view.ID} }

func (r *record) interval() time.Duration { return time.Duration(r.view.IntervalMS) * time.Millisecond }

// suspectAfter returns the silence after which the server is suspect.
func (r *record) suspectAfter() time.Duration {
	return r.ttl * suspectNumerator / suspectDenominator
}

// The method overdue returns the silence after which the next heartbeat is late. This silence is longer than an interval, because
// senders vary the interval by a tenth, and publish late if they must try another nsqd.
func (r *record) overdue() time.Duration { return min(r.suspectAfter(), r.interval()*3/2) }

// deadline returns the lease time at which the server becomes suspect. For a server that is suspect already, it returns the lease
// time at which the lease ends if it is not extended.
func (r *record) deadline() leaseTime {
	if r.suspect {
		return r.stamp.add(r.ttl)
	}
	return r.stamp.add(r.suspectAfter())
}

// unrefutedAt reports whether a heartbeat that was published at the time sent is newer than all evidence against the server.
func (r *record) unrefutedAt(sent time.Duration) bool {
	return r.inquiry == nil || sent > r.inquiry.evidenceAt
}

// The method round returns the number that makes the id of the next event unique: see events.EventID.
func (r *record) round() uint64 {
	if r.inquiry == nil {
		return 0
	}
	return r.inquiry.round
}

// The method gone reports whether the server was removed. A record is in the wheel until its server is removed, and r.next is nil only
// outside of the wheel.
func (r *record) gone() bool { return r.next == nil }

// If the parameter ordinal is above r.ordinal, advance stores it in r.ordinal, starts the rounds again and returns true.
func (r *record) advance(ordinal uint64) bool {
	if ordinal <= r.ordinal {
		return false
	}
	r.ordinal = ordinal
	if r.inquiry != nil {
		r.inquiry.round = r.inquiry.firstRound
	}
	return true
}

func (r *record) addBeat(b beat) {
	if r.kept < keptBeats {
		r.beats[r.kept] = b
		r.kept++
		return
	}
	r.beats[r.oldest] = b
	r.oldest = (r.oldest + 1) % keptBeats
}

// newestBeats returns the newest heartbeats, oldest first.
func (r *record) newestBeats() []beat {
	return slices.Concat(r.beats[r.oldest:r.kept], r.beats[:r.oldest])
}

func (r *record) addChange(c change) {
	if len(r.changes) == keptChanges {
		r.changes = slices.Delete(r.changes, 0, 1)
	}
	r.changes = append(r.changes, c)
}

// seq returns the seq of the newest heartbeat, or 0 if the heartbeats have no seq.
func (r *record) seq() uint64 {
	if r.incarnation == 0 {
		return 0
	}
	return r.ordinal
}

// The method vitals returns the values that each heartbeat of r renews. The parameter lease is the lease time at which the age is computed.
func (s *state) vitals(r *record, lease leaseTime) Vitals {
	return Vitals{
		Seq:       r.seq(),
		LastSeen:  wall(r.lastSeen),
		LastProbe: r.lastProbe(),
		Age:       max(0, lease.sub(r.stamp)),
		Load:      r.load,
		Via:       s.vias.addr(r.via),
	}
}

// lastProbe returns when the server last answered a probe with its id, or the zero time if a heartbeat is newer.
func (r *record) lastProbe() time.Time {
	if r.inquiry == nil || r.stamp <= r.beat {
		return time.Time{}
	}
	for _, f := range slices.Backward(r.inquiry.findings) {
		if f.Finding == FindingIdentified {
			return f.Time
		}
	}
	return time.Time{}
}

// newView makes the view of a server from a valid heartbeat. It copies the strings, because the strings of the heartbeat keep
// the whole message in memory. All copies have one allocation, because a view has about ten strings.
func newView(h *events.Heartbeat) *events.Server {
	var texts strings.Builder
	texts.Grow(textSize(h))
	text := func(of string) string {
		texts.WriteString(of)
		return texts.String()[texts.Len()-len(of):]
	}
	s := &events.Server{
		Service:     text(h.Service),
		ID:          text(h.ID),
		Addr:        text(h.Addr),
		Incarnation: h.Incarnation,
		IntervalMS:  h.IntervalMS,
		TTLMS:       h.TTLMS,
		Weight:      h.Weight,
		Zone:        text(h.Zone),
		Version:     text(h.Version),
		Tags:        make([]string, len(h.Tags)),
		Meta:        make(events.Meta, len(h.Meta)),
		State:       aliveState(h.Weight),
	}
	if h.ID == h.Addr {
		s.ID = s.Addr
	}
	for i, t := range h.Tags {
		s.Tags[i] = text(t)
	}
	for i, e := range h.Meta {
		s.Meta[i] = events.MetaEntry{Key: text(e.Key), Value: text(e.Value)}
	}
	return s
}

// textSize returns the total size of the strings in the view of a server.
func textSize(h *events.Heartbeat) int {
	n := len(h.Service) + len(h.ID) + len(h.Addr) + len(h.Zone) + len(h.Version)
	for _, t := range h.Tags {
		n += len(t)
	}
	for _, e := range h.Meta {
		n += len(e.Key) + len(e.Value)
	}
	return n
}

func aliveState(weight int) events.State {
	if weight == 0 {
		return events.StateDraining
	}
	return events.StateAlive
}

// The function ordinal returns the number that orders the heartbeats of one incarnation. This number is the seq, or the timestamp of
// nsqd if the sender states no seq.
func ordinal(h *events.Heartbeat, r events.Receipt) uint64 {
	if h.Seq > 0 {
		return h.Seq
	}
	return uint64(max(0, r.PublishedAt.UnixNano()))
}
