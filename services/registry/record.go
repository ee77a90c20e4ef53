package registry

import (
	"slices"
	"strings"
	"time"
	"unique"

	"rollcall/events"
)

// key names a server.
type key struct{ service, id string }

// record is what the state knows of one server. Its size times the size of the roll is most of the
// memory of an API server (BenchmarkMemoryPerServer).
type record struct {
	// view is what readers see. They share it, so it is never changed, only replaced; its vitals
	// (seq, last seen, load, via) are those of the moment it was made.
	view *events.Server

	// The rest of the record is all that a renewal touches: a look at the view and its strings would double its
	// cost, because at 10 000 servers they are in no cache (BenchmarkObserve). These four say what the view says.
	incarnation int64
	ttl         time.Duration
	suspect     bool
	arrived     arrived
	fingerprint uint64 // of the heartbeat that the view was made of

	stamp       leaseTime             // the lease runs from here, by the lease clock: a heartbeat, or an answer
	beat        leaseTime             // by the lease clock, when the newest heartbeat was sent
	sent        time.Duration         // the same moment, by the state's own time
	claimed     time.Duration         // when its first heartbeat at its address was sent
	lastSeen    int64                 // the same moment on the wall, Unix nanoseconds
	ordinal     uint64                // of the newest heartbeat; see ordinal
	via         unique.Handle[string] // nsqd it came through
	load        *events.Load
	inquiry     *inquiry // nil: none
	provisional bool     // suspect as a precaution since a restart, of which nobody was told

	due        time.Duration // next look at the lease; kept by the wheel, like slot, next and prev
	slot       int64
	next, prev *record

	beats    [keptBeats]beat // a ring
	received uint64          // heartbeats so far
	changes  []change        // newest last, at most keptChanges
}

// beat and change are what explain remembers, as small as they can be.
type beat struct {
	at      int64 // receipt, Unix nanoseconds
	ordinal uint64
	delay   time.Duration
	via     unique.Handle[string]
}

type change struct {
	at   int64 // Unix nanoseconds
	step step
}

// What explain remembers of each server: enough to see a rhythm and where it broke.
const (
	keptBeats   = 5
	keptChanges = 8
)

// never is before every moment, and not so far that a difference to it overflows.
const never = -1 << 62

// forever is after every moment, likewise.
const forever = -never

func (r *record) key() key { return key{r.view.Service, r.view.ID} }

func (r *record) interval() time.Duration { return time.Duration(r.view.IntervalMS) * time.Millisecond }

// suspectAfter is how long the server may be silent before it is suspect.
func (r *record) suspectAfter() time.Duration {
	return r.ttl * suspectNumerator / suspectDenominator
}

// overdue is how long the server may be silent before its next heartbeat is late: an interval does not tell, because senders
// spread their heartbeats by a tenth of it, and one that an nsqd did not take is published late through another.
func (r *record) overdue() time.Duration { return min(r.suspectAfter(), r.interval()*3/2) }

// deadline is when, by the lease clock, the server would be suspect, or expire.
func (r *record) deadline() leaseTime {
	if r.suspect {
		return r.stamp.add(r.ttl)
	}
	return r.stamp.add(r.suspectAfter())
}

// unrefutedAt reports whether a heartbeat that was sent then is newer than all that speaks against the server.
func (r *record) unrefutedAt(sent time.Duration) bool {
	return r.inquiry == nil || sent > r.inquiry.evidenceAt
}

// round is that of the next event.
func (r *record) round() uint64 {
	if r.inquiry == nil {
		return 0
	}
	return r.inquiry.round
}

// gone reports whether the server is off the roll: only then it is not in the wheel.
func (r *record) gone() bool { return r.next == nil }

// advance moves the record on to a newer ordinal, from which events are told apart anew, and reports whether nth is one.
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
	r.beats[r.received%keptBeats] = b
	r.received++
}

func (r *record) addChange(c change) {
	if len(r.changes) == keptChanges {
		r.changes = slices.Delete(r.changes, 0, 1)
	}
	r.changes = append(r.changes, c)
}

// seq is that of the newest heartbeat, 0 for a sender that states none.
func (r *record) seq() uint64 {
	if r.incarnation == 0 {
		return 0
	}
	return r.ordinal
}

// vitals are those at a moment of the lease clock.
func (r *record) vitals(lease leaseTime) vitals {
	return vitals{
		Seq:       r.seq(),
		LastSeen:  wall(r.lastSeen),
		LastProbe: r.lastProbe(),
		Age:       max(0, lease.sub(r.stamp)),
		Load:      r.load,
		Via:       r.via.Value(),
	}
}

// lastProbe is when the server told its id last, and zero if a heartbeat is newer.
func (r *record) lastProbe() time.Time {
	if r.inquiry == nil || r.stamp <= r.beat {
		return time.Time{}
	}
	return r.inquiry.findings.identified()
}

// newView makes the view of a server from a heartbeat that was checked. Strings are copied: those of
// a heartbeat hold its whole body.
func newView(h *events.Heartbeat) *events.Server {
	s := &events.Server{
		Service:     strings.Clone(h.Service),
		ID:          strings.Clone(h.ID),
		Addr:        strings.Clone(h.Addr),
		Incarnation: h.Incarnation,
		IntervalMS:  h.IntervalMS,
		TTLMS:       h.TTLMS,
		Weight:      h.Weight,
		Zone:        strings.Clone(h.Zone),
		Version:     strings.Clone(h.Version),
		Tags:        make([]string, len(h.Tags)),
		Meta:        make(events.Meta, len(h.Meta)),
		State:       aliveState(h.Weight),
	}
	if h.ID == h.Addr {
		s.ID = s.Addr
	}
	for i, t := range h.Tags {
		s.Tags[i] = strings.Clone(t)
	}
	for i, e := range h.Meta {
		s.Meta[i] = events.MetaEntry{Key: strings.Clone(e.Key), Value: strings.Clone(e.Value)}
	}
	return s
}

func aliveState(weight int) events.State {
	if weight == 0 {
		return events.StateDraining
	}
	return events.StateAlive
}

// ordinal orders the heartbeats of one incarnation: by seq, or by the broker's stamp where the sender
// states none.
func ordinal(h *events.Heartbeat, r events.Receipt) uint64 {
	if h.Seq > 0 {
		return h.Seq
	}
	return uint64(max(0, r.PublishedAt.UnixNano()))
}
