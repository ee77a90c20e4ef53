package upstream

import (
	"errors"
	"time"

	"rollcall/services/registry"
)

// Reasons why a request got no response, or not all of it. Error.Err wraps one of these or an error of the caller.
var (
	ErrClientGone = errors.New("the client is gone")
	ErrConnect    = errors.New("no connection to the server")
	ErrRetired    = errors.New("the server has left") // the caller may have a newer Pool for it
	ErrBroken     = errors.New("the server broke off")
	ErrLate       = errors.New("the server did not answer in time")
	ErrDead       = errors.New("the server died before it answered")
	ErrDrained    = errors.New("the server left before it had answered")
)

// ErrStopped is the error of Stream.Read after Stream.Stop.
var ErrStopped = errors.New("the body is not read any more")

var errUnasked = errors.New("the server answered what was not asked")

// Fault says whose fault an Error is.
type Fault int

const (
	FaultNone   Fault = iota // neither the client's nor the server's, or not known
	FaultClient              // the client went away, or its request is malformed
	FaultServer
)

// Error is the error of a request that got no response, or not all of it.
type Error struct {
	Err      error
	Fault    Fault
	Sent     bool // the server may have received a part of the request
	Received bool // a part of a response was received
	Stale    bool // an idle connection ended before a byte was received: the server may have closed it before it got the request

	// Of a connection that failed by the server's fault, or zero:
	Finding registry.Finding
	Began   time.Time // when the connection was tried
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// clientError marks an error that the client caused.
type clientError struct{ error }

func (e clientError) Unwrap() error { return e.error }

// asError classifies the error of a request that was sent on c.
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
		e.Err = join(ErrBroken, err)
		if e.Stale = c.reused && !c.received; !e.Stale {
			e.Fault = FaultServer
		}
	}
	return e
}
