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

// ErrNotFound is what a *Problem of status 404 is to errors.Is.
var ErrNotFound = errors.New("apiserver: not found")

// Problem is the body of every error response of the API (RFC 9457). The Client also returns a Problem for an error response with another
// body.
type Problem problem.Problem

func (p *Problem) Error() string {
	return fmt.Sprintf("apiserver: %d %s: %s", p.Status, p.Title, p.Detail)
}

// Is makes errors.Is(err, ErrNotFound) true for a 404.
func (p *Problem) Is(target error) bool {
	return target == ErrNotFound && p.Status == http.StatusNotFound
}

var (
	errNoPath   = errors.New("no such path")
	errMethod   = errors.New("the API is read-only: use GET or HEAD")
	errBody     = errors.New("the body of the request could not be read")
	errNotReady = errors.New("not ready")
)

// parameterError names the query parameter that is wrong.
type parameterError struct{ name, reason string }

func (e *parameterError) Error() string { return fmt.Sprintf("parameter %.64q %s", e.name, e.reason) }

// problemOf is the table from errors to answers. What is not in it is our own failure.
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
		return newProblem(problem.StatusClientGone, "the client is gone")
	case errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusServiceUnavailable, "the registry did not answer in time")
	case errors.Is(err, ErrPolicy):
		return newProblem(http.StatusBadRequest, `parameter "policy": `+strings.TrimPrefix(err.Error(), "apiserver: "))
	case errors.Is(err, ErrNoServer):
		return newProblem(http.StatusServiceUnavailable, strings.TrimPrefix(err.Error(), "apiserver: "))
	case errors.Is(err, registry.ErrStopped), errors.Is(err, errNotReady), errors.Is(err, errBusy):
		return newProblem(http.StatusServiceUnavailable, err.Error())
	}
	return newProblem(http.StatusInternalServerError, "the API server failed; its log says how")
}

func newProblem(status int, detail string) *Problem { return (*Problem)(problem.New(status, detail)) }
