package dataserver

import (
	"io"
	"net/http"
	"strconv"

	"rollcall/events"
)

// Identify adds the server's id, service and incarnation to the response headers of next. An API server that probes a silent
// server compares them, so that it does not take another server at the same address for this one. In a process with several
// agents at one address, wrap the handler with each agent's Identify.
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

// identifies reports whether h contains the server's identity already.
func (a *Agent) identifies(h http.Header) bool {
	services := h.Values(events.ServiceHeader)
	for i, id := range h.Values(events.IdentityHeader) {
		if id == a.cfg.ID && i < len(services) && services[i] == a.cfg.Service {
			return true
		}
	}
	return false
}

// Health returns a handler that responds with status 200 and the server's identity.
func (a *Agent) Health() http.Handler {
	return a.Identify(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	}))
}
