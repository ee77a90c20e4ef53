package config

import (
	"fmt"

	"rollcall/services/check"
	"rollcall/services/proxy"
)

// parseRoutes returns the valid routes. The error names the key and each invalid route.
func parseRoutes(texts []string) ([]proxy.Route, error) {
	var routes []proxy.Route
	p := check.Of("")
	first := make(map[string]string) // maps a host and prefix to the text of the first route that has them
	for _, text := range texts {
		r, err := proxy.ParseRoute(text)
		if err != nil {
			p.Add(fmt.Errorf("proxy.routes %q: %w", text, err))
			continue
		}
		from := r.Host + r.Prefix
		if other, taken := first[from]; taken {
			p.Add(fmt.Errorf("proxy.routes %q: same host and prefix as %q", text, other))
			continue
		}
		first[from] = text
		routes = append(routes, r)
	}
	return routes, p.Err()
}
