package dataserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// echoed is the JSON form of echo's response.
type echoed struct {
	Service string `json:"service"`
	ID      string `json:"id"`
	Addr    string `json:"addr"`
	Path    string `json:"path"` // path of the request, escaped
}

// echo responds to every request with the agent's service, id and address and the request's path: as one line of text, or as
// JSON if the request accepts JSON.
func echo(agent *Agent) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := echoed{Service: agent.cfg.Service, ID: agent.cfg.ID, Addr: agent.cfg.Addr, Path: r.URL.EscapedPath()}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(a)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintf(w, "%s %s at %s answers %s\n", a.Service, a.ID, a.Addr, a.Path)
	})
}
