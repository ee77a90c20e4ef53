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
	path    string // escaped, begins with a slash
	handler http.Handler
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

// find returns errNoPath for a path that is nobody's.
func (r *router) find(hostport, path string) (target, error) {
	host := ""
	if len(r.routes) > 0 {
		host = hostOnly(hostport)
	}
	for i := range r.routes {
		route := &r.routes[i]
		if route.Host != "" && !strings.EqualFold(route.Host, host) {
			continue
		}
		rest, ok := strings.CutPrefix(path, route.Prefix)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		if route.Handler != "" {
			return target{path: path, handler: r.handlers[route.Handler]}, nil
		}
		return target{service: route.Service, path: cmp.Or(route.Path+rest, "/")}, nil
	}
	if path == "" || path[0] != '/' {
		return target{}, errNoPath
	}
	service, rest := path[1:], "/"
	if i := strings.IndexByte(service, '/'); i >= 0 {
		service, rest = service[:i], service[i:]
	}
	if !events.ValidService(service) {
		return target{}, errNoPath
	}
	return target{service: service, path: rest}, nil
}

func hostOnly(hostport string) string {
	if !strings.Contains(hostport, ":") {
		return hostport
	}
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}
