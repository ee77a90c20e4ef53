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
	TypeMode       Type = "rollcall.registry.mode"     // about no server
	TypeConflict   Type = "rollcall.registry.conflict" // about no server
)

// Cause says in one word why a transition happened.
type Cause string

const (
	CauseHeartbeat   Cause = "heartbeat"   // registered, recovered: it was heard
	CauseChanged     Cause = "changed"     // updated: it says something new of itself
	CauseSilent      Cause = "silent"      // suspected: most of the TTL has passed without a word
	CauseUnreachable Cause = "unreachable" // suspected: somebody could not connect to it
	CauseProbe       Cause = "probe"       // recovered: asked over HTTP, it told its identity
	CauseTTL         Cause = "ttl"         // expired: the TTL has passed, and it did not answer when it was asked
	CauseRefused     Cause = "refused"     // expired: nobody listens on its address
	CauseIdentity    Cause = "identity"    // expired: another server answers on its address
	CauseLeave       Cause = "leave"       // left: it said so
	CauseIncarnation Cause = "incarnation" // replaced: the same id started again
	CauseAddress     Cause = "address"     // replaced: another id took its address; suspected: a server of another service did
	CauseBlind       Cause = "blind"       // mode: nothing comes through any nsqd
	CauseReceiving   Cause = "receiving"   // mode: messages arrive through nsqd again
	CauseMass        Cause = "mass"        // mode: too many servers are suspect at once
	CauseCalm        Cause = "calm"        // mode: it is warm, and few servers are suspect; conflict: the other API server is gone
	CauseDuplicate   Cause = "duplicate"   // conflict: another API server has the same id
)

// Mode is how far an API server trusts its own ears.
type Mode string

const (
	ModeWarming Mode = "warming" // has begun to hear, or begun again: only evidence expires a server
	ModeNormal  Mode = "normal"
	ModeHolding Mode = "holding" // too many suspects at once: evidence or three failed probes expire, a few a second
	ModeBlind   Mode = "blind"   // nothing comes through any nsqd: leases stand still, only evidence expires a server
)

// Modes returns every mode.
func Modes() []Mode { return []Mode{ModeWarming, ModeNormal, ModeHolding, ModeBlind} }

// Event is one of the lifecycle events of this package, so that a consumer writes
//
//	switch e := e.(type) {
//	case events.ServerExpired:
//		fmt.Println(e.Server.Addr, e.Cause)
//	}
//
// The events of one (server, incarnation) read: registered, then updated, suspected and recovered
// in any number, then at most one of expired, left and replaced. A server that is heard again after
// it expired is registered anew.
type Event interface {
	// Type is the CloudEvents type.
	Type() Type
	// Details is what all lifecycle events have in common. Of a ModeChanged or ConflictChanged the Server and LastSeen are zero.
	Details() Transition
}

// Transition is the content that all lifecycle events share.
type Transition struct {
	ID       string    // the same from every API server that saw the same transition; see EventID
	Time     time.Time // when the observer decided
	Server   Server    // as it was right after the transition, or at last where it ended
	Cause    Cause     // "reason" on the wire
	Revision uint64    // grows by one with each event of one observer
	LastSeen time.Time
	Observer string // id of the API server that tells
}

// The lifecycle events.
type (
	// ServerRegistered says that a server is known from now on.
	ServerRegistered struct{ Transition }
	// ServerUpdated says that a server changed its address, weight or metadata.
	ServerUpdated struct{ Transition }
	// ServerSuspected says that a server is silent; new requests should prefer others.
	ServerSuspected struct{ Transition }
	// ServerRecovered says that a suspected server is well.
	ServerRecovered struct{ Transition }
	// ServerExpired says that a server is gone without a word.
	ServerExpired struct{ Transition }
	// ServerLeft says that a server took its leave. One that goes on publishing is registered again a TTL later.
	ServerLeft struct{ Transition }
	// ServerReplaced says that another incarnation, or another id on its address, took a server's
	// place; the ServerRegistered of that one follows, or its ServerUpdated if it moved to the address.
	ServerReplaced struct{ Transition }

	// ModeChanged says how far the API server that tells trusts its own ears from now on. It is about no server: its
	// Server is zero.
	ModeChanged struct {
		Transition
		Mode, Previous Mode
		Detail         string // a sentence for people
	}

	// ConflictChanged says that the API server has begun to hear another one with its own id, or hears it no more. Its
	// Server is zero.
	ConflictChanged struct {
		Transition
		Conflict bool
		Started  time.Time // when the other process did, by its own clock
		Detail   string    // a sentence for people
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

// Details returns t.
func (t Transition) Details() Transition { return t }

// New returns the event of a server of type typ, or false if there is no such type.
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

// EventID derives the id of a server's event from what happened and not from who tells it: the type, the server, its
// incarnation, and the moment, by the server's own count. At is the ordinal of the newest heartbeat (its seq, or the
// broker's stamp for a sender without one); 0 for the first registration that an API server knows of, whichever heartbeat
// it heard first; and for a server that is replaced the incarnation of its successor. Round counts how often since then it
// was suspected and recovered without a heartbeat. Two API servers that tell of the same transition give the same id, so
// that a subscriber can fold them.
func EventID(typ Type, service, id string, incarnation int64, at, round uint64) string {
	parts := []string{string(typ), service, id, strconv.FormatInt(incarnation, 10), strconv.FormatUint(at, 10)}
	if round > 0 { // versions before there were rounds had no such part
		parts = append(parts, strconv.FormatUint(round, 10))
	}
	return hashOf(parts...)
}

// ModeEventID is the id of a ModeChanged, which only its observer tells.
func ModeEventID(observer string, at time.Time, revision uint64) string {
	return hashOf(string(TypeMode), observer, strconv.FormatInt(at.UnixMilli(), 10), strconv.FormatUint(revision, 10))
}

// ConflictEventID is the id of a ConflictChanged. Its observer shares the id with another one, so the start of its process
// tells the two apart.
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
