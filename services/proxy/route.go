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

// Route sends requests of a host, or to a prefix of the path, or both, to a service or to a handler inside the process.
type Route struct {
	Host   string // without a port, in lower case; empty: every host
	Prefix string // whole segments, as they come escaped: /orders is for /orders and /orders/7, not for /orders7; empty: every path

	Service string // a service, or
	Path    string // with what takes the place of the prefix; empty: nothing does
	Handler string // the name of a handler, which gets the path as it came
}

// handlerTarget begins the target that is a handler inside the process.
const handlerTarget = "handler:"

var (
	validHost    = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	validHandler = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
)

const maxHost = 253 // characters, of DNS

// ParseRoute reads [HOST][/PREFIX]=SERVICE[/PATH] and [HOST][/PREFIX]=handler:NAME. A slash at the end of PREFIX or PATH
// makes no difference.
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
			return Route{}, errors.New(`"" is no name of a handler`)
		}
		r.Handler = name
	} else {
		if r.Service, r.Path = cutPath(to); r.Service == "" {
			return Route{}, errors.New(`"" is no name of a service`)
		}
	}
	return r, r.Validate()
}

// Validate tells what is wrong with r.
func (r Route) Validate() error {
	if r.Host != "" && (len(r.Host) > maxHost || !validHost.MatchString(r.Host)) {
		return fmt.Errorf("%q is no name of a host: want it in lower case and without a port; a prefix begins with a slash", r.Host)
	}
	if err := checkPlainPath(r.Prefix); err != nil {
		return err
	}
	switch {
	case (r.Service == "") == (r.Handler == ""):
		return errors.New("want a service or a handler")
	case r.Handler != "" && !validHandler.MatchString(r.Handler):
		return fmt.Errorf("%q is no name of a handler", r.Handler)
	case r.Service != "" && !events.ValidService(r.Service):
		return fmt.Errorf("%q is no name of a service: want a DNS label in lower case", r.Service)
	}
	return checkPlainPath(r.Path)
}

func pathOf(text string) string {
	if i := strings.IndexByte(text, '/'); i >= 0 {
		return text[i:]
	}
	return ""
}

// cutPath splits before the first slash, and takes one off the end.
func cutPath(text string) (before, path string) {
	path = pathOf(text)
	return text[:len(text)-len(path)], strings.TrimSuffix(path, "/")
}

// checkPlainPath takes what has one spelling only: what a client could send in several would be matched in one.
func checkPlainPath(path string) error {
	if path == "" {
		return nil
	}
	if path[0] != '/' {
		return fmt.Errorf("%q is no path: want a slash first", path)
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("%q has an element %q", path, segment)
		}
	}
	if strings.ContainsFunc(path, func(r rune) bool { return strings.ContainsRune(`?#%\`, r) || r <= ' ' || r >= 0x7f }) {
		return fmt.Errorf("%q is no plain path: want it in ASCII, without a query, escapes or spaces", path)
	}
	return nil
}

// target is where a request goes.
type target struct {
	service string
	path    string // as the client sent it, begins with a slash
	handler http.Handler

	prefix, root string // the path of the client begins with prefix where path begins with root
}

// router finds the target of a request: the routes of its host before those of every host, a longer prefix before a
// shorter one, and then /{service}/{path...}.
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

// choice is what routes a path: a route, or the name of a service at its beginning, or nothing.
type choice struct {
	route   *Route
	service string
	prefix  string
}

// find returns errNoPath for a path that belongs to no route, and errAmbiguous for one that a server could read as a path of another
// route, or as one outside of what its route exposes. raw is the path as it was sent and plain the decoded one; unplain is what scanPath
// reports. Routes look at the raw path, which is what the server gets.
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

// leaves reports whether a lenient server reads the rest of a path, behind the prefix of its route, as a path that another route is for,
// or one above the path that the route ends in. A route to the root of a service exposes all of it: what its paths mean is for the server
// to decide.
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

// hostOnly is the host without a port, and without the dot that ends a name in DNS.
func hostOnly(hostport string) string {
	host := hostport
	if strings.Contains(hostport, ":") {
		if name, _, err := net.SplitHostPort(hostport); err == nil {
			host = name
		}
	}
	return strings.TrimSuffix(host, ".")
}
