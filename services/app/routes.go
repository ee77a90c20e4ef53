package app

import (
	"fmt"

	"rollcall/services/proxy"
)

// parseRoutes reads all that can be read. The errors name the key, and the routes to which they happened.
func parseRoutes(texts []string) ([]proxy.Route, problems) {
	var routes []proxy.Route
	var p problems
	first := make(map[string]string) // text by what it matches
	for _, text := range texts {
		r, err := proxy.ParseRoute(text)
		if err != nil {
			p = append(p, fmt.Errorf("proxy.routes %q: %w", text, err))
			continue
		}
		from := r.Host + r.Prefix
		if other, taken := first[from]; taken {
			p = append(p, fmt.Errorf("proxy.routes %q: same host and prefix as %q", text, other))
			continue
		}
		first[from] = text
		routes = append(routes, r)
	}
	return routes, p
}
