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
)

// Cause says in one word why a transition happened.
type Cause string

const (
	CauseHeartbeat   Cause = "heartbeat"   // registered, recovered: it was heard
	CauseChanged     Cause = "changed"     // updated: it says something new of itself
	CauseSilent      Cause = "silent"      // suspected: most of the TTL has passed without a word
	CauseTTL         Cause = "ttl"         // expired: the TTL has passed
	CauseLeave       Cause = "leave"       // left: it said so
	CauseIncarnation Cause = "incarnation" // replaced: the same id started again
	CauseAddress     Cause = "address"     // replaced: another id took its address
)

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
	// Details is what all lifecycle events have in common.
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
	// ServerLeft says that a server took its leave; this incarnation never comes back.
	ServerLeft struct{ Transition }
	// ServerReplaced says that a newer incarnation, or another id on its address, took a server's
	// place; the ServerRegistered of that one follows, or its ServerUpdated if it moved to the address.
	ServerReplaced struct{ Transition }
)

func (ServerRegistered) Type() Type { return TypeRegistered }
func (ServerUpdated) Type() Type    { return TypeUpdated }
func (ServerSuspected) Type() Type  { return TypeSuspected }
func (ServerRecovered) Type() Type  { return TypeRecovered }
func (ServerExpired) Type() Type    { return TypeExpired }
func (ServerLeft) Type() Type       { return TypeLeft }
func (ServerReplaced) Type() Type   { return TypeReplaced }

// Details returns t.
func (t Transition) Details() Transition { return t }

// New returns the event of type typ, or false if there is no such type.
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

// EventID derives the id of an event from what happened and not from who tells it: the type, the
// server, its incarnation, and the ordinal of the heartbeat at which the transition happened (its
// seq, or the broker's stamp for a sender without one; 0 for the first registration that an API server
// knows of, whichever heartbeat it heard first). Two API servers that tell of the same transition give the
// same id, so that a subscriber can fold them.
func EventID(typ Type, service, id string, incarnation int64, at uint64) string {
	h := sha256.New()
	for _, part := range []string{string(typ), service, id, strconv.FormatInt(incarnation, 10), strconv.FormatUint(at, 10)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
