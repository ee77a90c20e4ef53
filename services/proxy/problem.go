package proxy

import (
	"errors"
	"net/http"
	"time"

	"rollcall/services/problem"
	"rollcall/services/proxy/clientconn"
	"rollcall/services/proxy/upstream"
)

// statusOf is the table from errors to answers.
func statusOf(err error) int {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(errPath), is(errAmbiguous), is(errTarget), is(errClientBody):
		return http.StatusBadRequest
	case is(errNoPath):
		return http.StatusNotFound
	case is(errMethod):
		return http.StatusMethodNotAllowed
	case is(errClientSlow):
		return http.StatusRequestTimeout
	case is(upstream.ErrClientGone):
		return problem.StatusClientGone
	case is(ErrNoServer):
		return http.StatusServiceUnavailable
	case is(upstream.ErrLate):
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// isClients reports whether an error is the client's fault.
func isClients(err error) bool {
	for _, own := range []error{errClientBody, errClientSlow, upstream.ErrClientGone, errTarget} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// refuse answers with a problem (RFC 9457). What it tells of a server is no more than the client needs: addresses are for the
// log. Where a part of the request's body was not read, the answer ends the connection: net/http waits for the rest before it
// answers, and might take it for the next request.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, service string, err error, requestID string, unread bool) {
	status := statusOf(err)
	h := w.Header()
	p.beginOwnAnswer(w, r, unread)
	if status == http.StatusMethodNotAllowed {
		h["Allow"] = []string{"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
	}
	h["Cache-Control"] = []string{"no-store"}
	h[headerRequestID] = []string{requestID}
	problem.New(status, detail(service, err)).Write(w)
}

// beginOwnAnswer prepares the connection for an answer of the proxy's own, as refuse has it.
func (p *Proxy) beginOwnAnswer(w http.ResponseWriter, r *http.Request, unread bool) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(p.cfg.StallTimeout + clientconn.BriefLinger)) // the one of the start may be over
	if unread && !clientconn.LingerAfter(w, r, &p.closing) {
		clientconn.CloseAfter(w)
		_ = control.SetReadDeadline(time.Now().Add(clientconn.BriefLinger))
	}
}

// options answers OPTIONS *, which asks for nothing (RFC 9110, 9.3.7).
func (p *Proxy) options(w http.ResponseWriter, r *http.Request) {
	if mayLeaveBody(r) && !clientconn.LingerAfter(w, r, &p.closing) {
		clientconn.CloseAfter(w)
	}
	w.Header()["Content-Length"] = []string{"0"}
}

// detail is the proxy's own part of an error, for the client.
func detail(service string, err error) string {
	if errors.Is(err, ErrNoServer) {
		return "no live server of service " + service // where a route decides, the path does not tell which
	}
	for {
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok || len(joined.Unwrap()) == 0 {
			return err.Error()
		}
		err = joined.Unwrap()[0]
	}
}
