package dataserver

import (
	"io"
	"net/http"
	"slices"

	"rollcall/events"
)

// Identify has the responses of next tell the server's id, by which an API server that checks a silent
// server knows that it has not met another one on its address. A process with several agents on one address wraps its
// handler with each of them.
func (a *Agent) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := w.Header(); !slices.Contains(h.Values(events.IdentityHeader), a.cfg.ID) {
			h.Add(events.IdentityHeader, a.cfg.ID)
		}
		next.ServeHTTP(w, r)
	})
}

// Health answers 200 and tells the server's id.
func (a *Agent) Health() http.Handler {
	return a.Identify(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	}))
}
