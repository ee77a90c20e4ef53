package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"rollcall/events"
)

// Route sends requests with a host, a path prefix, or both to a service or to a handler of this process.
type Route struct {
	Host   string // lower case, without a port; empty matches every host
	Prefix string // matches whole segments of the escaped path: /orders matches /orders/7, not /orders7; empty matches every path

	Service string // the service that gets the requests, unless Handler is set
	Path    string // the path that replaces Prefix in requests to Service; empty removes Prefix
	Handler string // name of the handler that gets the requests, with the whole path, unless Service is set
}

// handlerTarget is the prefix of a target that names a handler.
const handlerTarget = "handler:"

var (
	validHost    = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	validHandler = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
)

const maxHost = 253 // maximum length of a host name in DNS

// ParseRoute parses [HOST][/PREFIX]=SERVICE[/PATH] or [HOST][/PREFIX]=handler:NAME. It ignores a slash at the end of PREFIX and PATH.
func ParseRoute(text string) (Route, error) {
	from, to, ok := strings.Cut(text, "=")
	if !ok || from == "" || to == "" {
		return Route{}, errors.New("want [HOST][/PREFIX]=SERVICE[/PATH] or [HOST][/PREFIX]=handler:NAME")
	}
	var r Route
	r.Host, r.Prefix = cutPath(from)
	r.Host = strings.ToLower(r.Host)
	if name, isHandler := strings.CutPrefix(to, handlerTarget); isHandler {
		if name == "" {
			return Route{}, errors.New(`"" is not the name of a handler`)
		}
		r.Handler = name
	} else {
		if r.Service, r.Path = cutPath(to); r.Service == "" {
			return Route{}, errors.New(`"" is not the name of a service`)
		}
	}
	return r, r.Validate()
}

// Validate returns an error if r is invalid.
func (r Route) Validate() error {
	if r.Host != "" && (len(r.Host) > maxHost || !validHost.MatchString(r.Host)) {
		return fmt.Errorf("%q is not a host name: want lower case without a port; a prefix begins with a slash", r.Host)
	}
	if err := checkPlainPath(r.Prefix); err != nil {
		return err
	}
	switch {
	case (r.Service == "") == (r.Handler == ""):
		return errors.New("want a service or a handler")
	case r.Handler != "" && !validHandler.MatchString(r.Handler):
		return fmt.Errorf("%q is not the name of a handler", r.Handler)
	case r.Service != "" && !events.ValidService(r.Service):
		return fmt.Errorf("%q is not the name of a service: want a DNS label in lower case", r.Service)
	}
	return checkPlainPath(r.Path)
}

func pathOf(text string) string {
	if i := strings.IndexByte(text, '/'); i >= 0 {
		return text[i:]
	}
	return ""
}

// cutPath splits text before its first slash, and removes a slash at the end.
func cutPath(text string) (before, path string) {
	path = pathOf(text)
	return text[:len(text)-len(path)], strings.TrimSuffix(path, "/")
}

// checkPlainPath rejects paths that a client could spell in several ways, because a route matches only one spelling.
func checkPlainPath(path string) error {
	if path == "" {
		return nil
	}
	if path[0] != '/' {
		return fmt.Errorf("%q is not a path: want a slash first", path)
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("%q has an element %q", path, segment)
		}
	}
	if strings.ContainsFunc(path, func(r rune) bool { return strings.ContainsRune(`?#%\`, r) || r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("%q is not a plain path: want ASCII without a query, escapes or spaces", path)
	}
	return nil
}

// target is the destination of a request.
type target struct {
	service string
	path    string // escaped path for the server; begins with a slash
	handler http.Handler

	prefix, root string // target.path is the client's path with target.root in place of target.prefix at its beginning
}

// router finds the target of a request. It tries routes with a host before routes without a host, longer prefixes before shorter prefixes,
// and /{service}/{path...} last.
type router struct {
	routes   []Route
	handlers map[string]http.Handler
}

func newRouter(routes []Route, handlers map[string]http.Handler) *router {
	sorted := slices.Clone(routes)
	slices.SortStableFunc(sorted, func(a, b Route) int {
		return cmp.Or(cmp.Compare(min(1, len(b.Host)), min(1, len(a.Host))), cmp.Compare(len(b.Prefix), len(a.Prefix)))
	})
	return &router{sorted, handlers}
}

// choice is the route that matches a path, or the service that the first segment of a path names. If nothing matches, route is nil and
// service is empty.
type choice struct {
	route   *Route
	service string
	prefix  string
}

// find returns the target of a request. raw is the path as the client sent it, plain is the decoded path, and unplain is the result of
// scanPath. Routes match the raw path, because the server gets the raw path. The error is errNoPath if no route matches. The error is
// errAmbiguous if a server could read the path as a path of another route, or as a path outside Route.Path.
func (r *router) find(hostport, raw, plain string, unplain bool) (target, error) {
	host := ""
	if len(r.routes) > 0 {
		host = hostOnly(hostport)
	}
	c := r.choose(host, raw)
	if unplain && (r.choose(host, plain) != c || r.leaves(host, raw, c)) {
		return target{}, errAmbiguous
	}
	rest := raw[len(c.prefix):]
	switch {
	case c.route == nil && c.service == "":
		return target{}, errNoPath
	case c.route == nil:
		return target{service: c.service, path: cmp.Or(rest, "/"), prefix: c.prefix}, nil
	case c.route.Handler != "":
		return target{path: raw, handler: r.handlers[c.route.Handler]}, nil
	}
	return target{service: c.route.Service, path: cmp.Or(c.route.Path+rest, "/"), prefix: c.prefix, root: c.route.Path}, nil
}

// leaves reports whether a lenient server could read the rest of the path, after the prefix, as a path of another route, or as a path
// outside Route.Path. If Route.Path is empty, the route exposes all paths of the service, so that no path is outside.
func (r *router) leaves(host, raw string, c choice) bool {
	if len(r.routes) == 0 || c.route == nil && c.service == "" {
		return false
	}
	clean, dotDot := lenientPath(raw[len(c.prefix):])
	if dotDot && c.route != nil && c.route.Path != "" {
		return true
	}
	return r.choose(host, c.prefix+clean) != c
}

func (r *router) choose(host, path string) choice {
	for i := range r.routes {
		route := &r.routes[i]
		if route.Host != "" && !strings.EqualFold(route.Host, host) {
			continue
		}
		if hasPrefix(path, route.Prefix) {
			return choice{route: route, prefix: route.Prefix}
		}
	}
	if path == "" || path[0] != '/' {
		return choice{}
	}
	service, _, _ := strings.Cut(path[1:], "/")
	if !events.ValidService(service) {
		return choice{}
	}
	return choice{service: service, prefix: path[:1+len(service)]}
}

// hasPrefix reports whether path begins with the segments of prefix.
func hasPrefix(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// hostOnly returns the host without a port and without the final dot of a DNS name.
func hostOnly(hostport string) string {
	host := hostport
	if strings.Contains(hostport, ":") {
		if name, _, err := net.SplitHostPort(hostport); err == nil {
			host = name
		}
	}
	return strings.TrimSuffix(host, ".")
}
