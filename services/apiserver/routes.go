package apiserver

import (
	"net/http"
	"path"
)

// handler responds to a request, or returns an error. problemOf turns the error into the response.
type handler func(http.ResponseWriter, *http.Request) error

// routes returns every route of the API. The API is read-only: each route has GET and HEAD, and other methods get a 405.
func (s *Server) routes() map[string]handler {
	routes := map[string]handler{
		"/v1/servers":                s.listServers,
		"/v1/servers/{service}/{id}": s.explainServer,
		"/v1/services":               s.listServices,
		"/v1/status":                 s.status,
		"/v1/prometheus/targets":     s.listTargets,
		"/livez":                     s.livez,
		"/readyz":                    s.readyz,
		"/metrics":                   s.metrics(),
		"/openapi.yaml":              openAPIDocument,
	}
	if s.cfg.Pick != nil {
		routes["/v1/services/{service}/pick"] = s.pickServer
	}
	return routes
}

func (s *Server) router() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range s.routes() {
		mux.Handle("GET "+pattern, s.serve(pattern, h))
		mux.Handle(pattern, s.serve(pattern, methodNotAllowed))
	}
	unknown := s.serve("other", notFound)
	mux.Handle("/", unknown)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would redirect an unclean path such as /v1//servers with an HTML body, or reject it without a problem document.
		if p := r.URL.EscapedPath(); path.Clean("/"+p) != p {
			unknown.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func notFound(http.ResponseWriter, *http.Request) error { return errNoPath }

func methodNotAllowed(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Allow", "GET, HEAD")
	return errMethod
}
