package upstream

import (
	"errors"
	"fmt"
	"time"

	"rollcall/services/registry"
)

// Causes of an Error. Error.Err is one of these, wraps one of these, or is an error of the caller.
var (
	ErrClientGone = errors.New("the client is gone")
	ErrConnect    = errors.New("no connection to the server")
	ErrRetired    = errors.New("the server has left")                  // the caller may know a newer Pool for the server
	ErrBroken     = errors.New("no complete response from the server") // the connection broke, or the response is malformed
	ErrLate       = errors.New("no response from the server in time")
	ErrDead       = errors.New("the server died before it responded")
	ErrDrained    = errors.New("the server left before it responded")
)

// ErrStopped is the error that Stream.Read returns after Stream.Stop.
var ErrStopped = errors.New("reading of the body was stopped")

// Fault is the party that caused an Error.
type Fault int

const (
	FaultNone   Fault = iota // neither the client nor the server caused the error, or the cause is unknown
	FaultClient              // the client disconnected, is too slow, or sent a malformed request
	FaultServer
)

// Error reports why a request got no complete response.
type Error struct {
	Err      error
	Fault    Fault
	Sent     bool // the server may have received a part of the request
	Received bool // at least one byte of a response was received
	Stale    bool // a reused connection ended without a response: the server may have closed it before the request was sent

	// Finding and Began are set only if no connection could be established and the server caused this.
	Finding registry.Finding
	Began   time.Time // start of the dial
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// clientError marks an error as the client's fault.
type clientError struct{ error }

func (e clientError) Unwrap() error { return e.error }

// asError returns the Error for err, which ended the request on c.
func (c *conn) asError(err error) *Error {
	e := &Error{Err: err, Sent: true, Received: c.received}
	ended := c.use.reason()
	switch client, ok := errors.AsType[clientError](err); {
	case ok:
		e.Err, e.Fault = client.error, FaultClient
	case ended == ErrLate:
		e.Err, e.Fault = ended, FaultServer
	case ended != nil:
		e.Err = ended
	default:
		e.Err = fmt.Errorf("%w: %w", ErrBroken, err)
		if e.Stale = c.reused && !c.received; !e.Stale {
			e.Fault = FaultServer
		}
	}
	return e
}
