package dataserver

import (
	"io"
	"net/http"
	"strconv"

	"rollcall/events"
)

// Identify adds the identity of the server to the responses of next: its id, its service and its incarnation. An API
// server that probes a silent server compares them, and so does not mistake another server on the address for it. A
// process with several agents on one address wraps its handler with each of them.
func (a *Agent) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := w.Header(); !a.identifies(h) {
			h.Add(events.IdentityHeader, a.cfg.ID)
			h.Add(events.ServiceHeader, a.cfg.Service)
			h.Add(events.IncarnationHeader, strconv.FormatInt(a.incarnation.Load(), 10))
		}
		next.ServeHTTP(w, r)
	})
}

// identifies reports whether h has the identity of the server already.
func (a *Agent) identifies(h http.Header) bool {
	services := h.Values(events.ServiceHeader)
	for i, id := range h.Values(events.IdentityHeader) {
		if id == a.cfg.ID && i < len(services) && services[i] == a.cfg.Service {
			return true
		}
	}
	return false
}

// Health answers 200 and tells the identity of the server.
func (a *Agent) Health() http.Handler {
	return a.Identify(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	}))
}
