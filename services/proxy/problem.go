package proxy

import (
	"errors"
	"net/http"
	"time"

	"rollcall/services/problem"
	"rollcall/services/proxy/clientconn"
	"rollcall/services/proxy/upstream"
)

// statusOf returns the status of the response for an error.
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

// isClients reports whether the client caused the error.
func isClients(err error) bool {
	for _, own := range []error{errClientBody, errClientSlow, upstream.ErrClientGone, errTarget} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// refuse responds with a problem. The problem has no addresses of servers; only the log has them. unread means that a part of the request
// body is unread. The connection then ends after the response: net/http would otherwise wait for the rest of the body, or read it as the
// next request.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, service string, err error, requestID string, unread bool) {
	status := statusOf(err)
	h := w.Header()
	p.beginOwnResponse(w, r, unread)
	if status == http.StatusMethodNotAllowed {
		h["Allow"] = []string{"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
	}
	h["Cache-Control"] = []string{"no-store"}
	h[headerRequestID] = []string{requestID}
	problem.New(status, detail(service, err)).Write(w)
}

// beginOwnResponse prepares the connection for a response of the proxy itself. unread means that a part of the request body is unread.
func (p *Proxy) beginOwnResponse(w http.ResponseWriter, r *http.Request, unread bool) {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(p.cfg.StallTimeout + clientconn.BriefLinger)) // the deadline that was set at the beginning of the request may have passed
	if unread && !clientconn.LingerAfter(w, r, &p.closing) {
		clientconn.CloseAfter(w)
		_ = control.SetReadDeadline(time.Now().Add(clientconn.BriefLinger))
	}
}

// options responds to OPTIONS * (RFC 9110, 9.3.7).
func (p *Proxy) options(w http.ResponseWriter, r *http.Request) {
	if mayLeaveBody(r) && !clientconn.LingerAfter(w, r, &p.closing) {
		clientconn.CloseAfter(w)
	}
	w.Header()["Content-Length"] = []string{"0"}
}

// detail returns the text of an error for clients. If errors are joined, detail returns only the first, because the others may contain
// addresses.
func detail(service string, err error) string {
	if errors.Is(err, ErrNoServer) {
		return "no live server of service " + service // if a route chose the service, the path does not show its name
	}
	for {
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok || len(joined.Unwrap()) == 0 {
			return err.Error()
		}
		err = joined.Unwrap()[0]
	}
}
