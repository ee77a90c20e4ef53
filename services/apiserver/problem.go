package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"rollcall/services/problem"
	"rollcall/services/registry"
)

// ErrNotFound matches every *Problem with status 404: errors.Is returns true.
var ErrNotFound = errors.New("apiserver: not found")

// Problem is the body of every error response of the API (RFC 9457). The Client returns a *Problem for every error response, even if the
// body is something else.
type Problem problem.Problem

func (p *Problem) Error() string {
	return fmt.Sprintf("apiserver: %d %s: %s", p.Status, p.Title, p.Detail)
}

// Is reports whether target is ErrNotFound and p is a 404.
func (p *Problem) Is(target error) bool {
	return target == ErrNotFound && p.Status == http.StatusNotFound
}

var (
	errNoPath   = errors.New("no such path")
	errMethod   = errors.New("the API is read-only: use GET or HEAD")
	errBody     = errors.New("the body of the request could not be read")
	errNotReady = errors.New("not ready")
)

// parameterError is an error in a query parameter.
type parameterError struct{ name, reason string }

func (e *parameterError) Error() string { return fmt.Sprintf("parameter %.64q %s", e.name, e.reason) }

// problemOf maps an error to the problem that the client gets. It maps an unknown error to a 500 without details.
func problemOf(err error) *Problem {
	var (
		parameter *parameterError
		tooLarge  *http.MaxBytesError
	)
	switch {
	case errors.As(err, &parameter):
		return newProblem(http.StatusBadRequest, parameter.Error())
	case errors.Is(err, registry.ErrNotFound), errors.Is(err, errNoPath):
		return newProblem(http.StatusNotFound, strings.TrimPrefix(err.Error(), "registry: "))
	case errors.Is(err, errMethod):
		return newProblem(http.StatusMethodNotAllowed, err.Error())
	case errors.As(err, &tooLarge):
		return newProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
	case errors.Is(err, errBody):
		return newProblem(http.StatusBadRequest, err.Error())
	case errors.Is(err, context.Canceled):
		return newProblem(problem.StatusClientGone, "the client closed the connection")
	case errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusServiceUnavailable, "the registry did not respond in time")
	case errors.Is(err, ErrPolicy):
		return newProblem(http.StatusBadRequest, `parameter "policy": `+strings.TrimPrefix(err.Error(), "apiserver: "))
	case errors.Is(err, ErrNoServer):
		return newProblem(http.StatusServiceUnavailable, strings.TrimPrefix(err.Error(), "apiserver: "))
	case errors.Is(err, registry.ErrStopped), errors.Is(err, errNotReady), errors.Is(err, errBusy):
		return newProblem(http.StatusServiceUnavailable, err.Error())
	}
	return newProblem(http.StatusInternalServerError, "internal error; the log of the API server has the details")
}

func newProblem(status int, detail string) *Problem { return (*Problem)(problem.New(status, detail)) }
