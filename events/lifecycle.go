package events

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// Type is the CloudEvents type of a lifecycle event.
type Type string

const (
	TypeRegistered Type = "rollcall.server.registered"
	TypeUpdated    Type = "rollcall.server.updated"
	TypeSuspected  Type = "rollcall.server.suspected"
	TypeRecovered  Type = "rollcall.server.recovered"
	TypeExpired    Type = "rollcall.server.expired"
	TypeLeft       Type = "rollcall.server.left"
	TypeReplaced   Type = "rollcall.server.replaced"
	TypeMode       Type = "rollcall.registry.mode"     // about the API server
	TypeConflict   Type = "rollcall.registry.conflict" // about the API server
)

// Cause is why a transition happened: "reason" in JSON. The comment of each constant begins with the events that can have the
// cause.
type Cause string

const (
	CauseHeartbeat   Cause = "heartbeat"   // events "registered" and "recovered": a heartbeat arrived
	CauseChanged     Cause = "changed"     // event "updated": a heartbeat states new values
	CauseSilent      Cause = "silent"      // event "suspected": no heartbeat for 0.7 of the TTL
	CauseUnreachable Cause = "unreachable" // event "suspected": the proxy or a prober could not connect to the server
	CauseProbe       Cause = "probe"       // event "recovered": the server stated its identity to a probe
	CauseTTL         Cause = "ttl"         // event "expired": no heartbeat arrived within the TTL, and no answer to a probe renewed the lease
	CauseRefused     Cause = "refused"     // event "expired": the address of the server refused connections
	CauseIdentity    Cause = "identity"    // event "expired": another server answered at the address of the server
	CauseLeave       Cause = "leave"       // event "left": the server published a leave
	CauseIncarnation Cause = "incarnation" // event "replaced": another incarnation of the server started
	CauseAddress     Cause = "address"     // event "replaced": another id took the address; event "suspected": a server of another service took the address
	CauseBlind       Cause = "blind"       // event "mode": no messages arrive through any nsqd
	CauseReceiving   Cause = "receiving"   // event "mode": messages arrive through nsqd again
	CauseMass        Cause = "mass"        // event "mode": too many servers are suspect at once
	CauseCalm        Cause = "calm"        // event "mode": warm-up is over and few servers are suspect; event "conflict": the other API server's canaries ceased
	CauseDuplicate   Cause = "duplicate"   // event "conflict": another API server has the same id
)

// Mode is how an API server judges servers whose heartbeats do not arrive: which of them expire, and how fast.
type Mode string

const (
	ModeWarming Mode = "warming" // messages have begun to arrive, or arrive again: a server expires only if a probe shows that it is gone
	ModeNormal  Mode = "normal"
	ModeHolding Mode = "holding" // too many suspects: a server expires if a probe shows that it is gone, or after three failed probes; at most a tenth of all servers per second
	ModeBlind   Mode = "blind"   // no messages arrive through any nsqd: leases do not age, and a server expires only if a probe shows that it is gone
)

// Modes returns every mode.
func Modes() []Mode { return []Mode{ModeWarming, ModeNormal, ModeHolding, ModeBlind} }

// Event is one of the lifecycle events of this package. Use a type switch:
//
//	switch e := e.(type) {
//	case events.ServerExpired:
//		fmt.Println(e.Server.Addr, e.Cause)
//	}
//
// The events of one incarnation of a server are registered, then any number of updated, suspected and recovered, then at most
// one of expired, left and replaced. A heartbeat that arrives after the server has expired registers the server again.
type Event interface {
	// Type returns the CloudEvents type of the event.
	Type() Type
	// Details returns the fields that all lifecycle events share. Server and LastSeen of a ModeChanged or ConflictChanged
	// are zero.
	Details() Transition
}

// Transition has the fields that all lifecycle events share.
type Transition struct {
	ID       string    // equal in the events of all API servers that saw the same transition; see EventID
	Time     time.Time // when the observer made the transition
	Server   Server    // the server right after the transition, or right before its removal if the transition removes it
	Cause    Cause     // "reason" in JSON
	Revision uint64    // grows by one with each event of an observer
	LastSeen time.Time
	Observer string // id of the API server that publishes the event
}

// The lifecycle events.
type (
	// ServerRegistered is emitted when a server is added to the registry.
	ServerRegistered struct{ Transition }
	// ServerUpdated is emitted when a server has changed its address, weight or metadata.
	ServerUpdated struct{ Transition }
	// ServerSuspected is emitted when a server may be dead. Prefer other servers for new requests.
	ServerSuspected struct{ Transition }
	// ServerRecovered is emitted when a suspected server has proved to be alive.
	ServerRecovered struct{ Transition }
	// ServerExpired is emitted when a server is removed because it is dead.
	ServerExpired struct{ Transition }
	// ServerLeft is emitted when a server is removed because it published a leave. If the server continues to publish
	// heartbeats, the API server registers it again one TTL later.
	ServerLeft struct{ Transition }
	// ServerReplaced is emitted when a server is removed because another incarnation of it has started, or because a server
	// with another id has taken its address. The ServerRegistered of the successor follows. If the successor was registered
	// at another address before, its ServerUpdated follows instead.
	ServerReplaced struct{ Transition }

	// ModeChanged is emitted when the API server enters another mode. Its Server is zero.
	ModeChanged struct {
		Transition
		Mode, Previous Mode
		Detail         string // a sentence for humans
	}

	// ConflictChanged is emitted when canaries of another API server with the same id begin or cease to arrive. Its Server is
	// zero.
	ConflictChanged struct {
		Transition
		Conflict bool
		Started  time.Time // when the process of the other API server started, by the clock of that process
		Detail   string    // a sentence for humans
	}
)

func (ServerRegistered) Type() Type { return TypeRegistered }
func (ServerUpdated) Type() Type    { return TypeUpdated }
func (ServerSuspected) Type() Type  { return TypeSuspected }
func (ServerRecovered) Type() Type  { return TypeRecovered }
func (ServerExpired) Type() Type    { return TypeExpired }
func (ServerLeft) Type() Type       { return TypeLeft }
func (ServerReplaced) Type() Type   { return TypeReplaced }
func (ModeChanged) Type() Type      { return TypeMode }
func (ConflictChanged) Type() Type  { return TypeConflict }

// Details implements Event.
func (t Transition) Details() Transition { return t }

// New returns the event of type typ about a server. It returns false if typ is not the type of an event about a server.
func New(typ Type, t Transition) (Event, bool) {
	switch typ {
	case TypeRegistered:
		return ServerRegistered{t}, true
	case TypeUpdated:
		return ServerUpdated{t}, true
	case TypeSuspected:
		return ServerSuspected{t}, true
	case TypeRecovered:
		return ServerRecovered{t}, true
	case TypeExpired:
		return ServerExpired{t}, true
	case TypeLeft:
		return ServerLeft{t}, true
	case TypeReplaced:
		return ServerReplaced{t}, true
	}
	return nil, false
}

// EventID returns the id of an event about a server. The id does not depend on the observer, so that a subscriber can drop
// the duplicates that several API servers publish.
//
// The parameter at is the ordinal of the server's newest heartbeat: the seq of the heartbeat, or nsqd's timestamp if the
// heartbeat has no seq. There are two exceptions. If an API server registers an incarnation for the first time, at is 0,
// because API servers can receive different heartbeats first. If a server is replaced, at is the incarnation of its
// successor. The parameter round counts how often the server was suspected and recovered since its newest heartbeat.
func EventID(typ Type, service, id string, incarnation int64, at, round uint64) string {
	parts := []string{string(typ), service, id, strconv.FormatInt(incarnation, 10), strconv.FormatUint(at, 10)}
	if round > 0 { // without rounds, the id must equal the id that older versions compute, which know no rounds
		parts = append(parts, strconv.FormatUint(round, 10))
	}
	return hashOf(parts...)
}

// ModeEventID returns the id of a ModeChanged.
func ModeEventID(observer string, at time.Time, revision uint64) string {
	return hashOf(string(TypeMode), observer, strconv.FormatInt(at.UnixMilli(), 10), strconv.FormatUint(revision, 10))
}

// ConflictEventID returns the id of a ConflictChanged. It also depends on started, the start of the observer's process,
// because two API servers with the same id can emit the event.
func ConflictEventID(observer string, started, at time.Time, revision uint64) string {
	return hashOf(string(TypeConflict), observer, strconv.FormatInt(started.UnixMilli(), 10), strconv.FormatInt(at.UnixMilli(), 10), strconv.FormatUint(revision, 10))
}

func hashOf(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
