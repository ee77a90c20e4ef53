package proxy

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

const forwardedPrefix = "X-Forwarded-Prefix"

// stripped is the beginning of the client's path that the server does not see: /a for the route /a/b=service/b, and the whole prefix for
// a route without a path. It is empty if the server sees all of the path, or another path in place of the prefix.
func (t *target) stripped() string {
	if stripped, ok := strings.CutSuffix(t.prefix, t.root); ok {
		return stripped
	}
	return ""
}

// setPrefix finds what the server must be told of the path that the client sees, and whether its answers must be rewritten.
func (x *request) setPrefix(noRewrite bool) {
	if noRewrite || x.to.prefix == x.to.root {
		return
	}
	x.rewrites = true
	x.prefix = x.to.stripped()
	if x.prefix == "" || !x.trusted {
		return
	}
	// A trusted proxy has stripped a prefix before: the client sees both.
	if outer := x.r.Header[forwardedPrefix]; len(outer) == 1 && beginsPath(outer[0]) && httpguts.ValidHeaderFieldValue(outer[0]) {
		x.outer = strings.TrimSuffix(outer[0], "/")
	}
}

// clientPath returns the path, with query and fragment, by which the client knows a path of the server. It reports false for a path
// that is not below the root to which the prefix of the route leads.
//
// A path that begins with the prefix stays: its server knows the prefix, by X-Forwarded-Prefix or by its configuration. This takes a server
// that has a path of its own with the name of the prefix for such a server.
func (x *request) clientPath(path string) (string, bool) {
	if x.prefix != "" && (isBelow(path, x.to.prefix) || x.outer != "" && isBelow(path, x.outer+x.to.prefix)) {
		return path, true
	}
	if !isBelow(path, x.to.root) {
		return path, false
	}
	switch path = x.to.prefix + path[len(x.to.root):]; {
	case !strings.HasPrefix(path, "/"):
		return "/" + path, true
	case !beginsPath(path):
		return "/." + path, true // the same path, where // would be a host
	}
	return path, true
}

// beginsPath reports whether a client takes a reference for an absolute path. Browsers take a backslash for a slash.
func beginsPath(reference string) bool {
	return strings.HasPrefix(reference, "/") && (len(reference) == 1 || reference[1] != '/' && reference[1] != '\\')
}

// isBelow reports whether a path, which may have a query and a fragment, is root or begins with its segments.
func isBelow(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || strings.IndexByte("/?#", rest[0]) >= 0)
}

// rewriteField changes the values of a field of an answer from the paths of the server to those of the client.
func (x *request) rewriteField(name string, values []string) {
	switch name {
	case "Location", "Content-Location":
		for i, v := range values {
			values[i] = x.rewriteURL(v)
		}
	case "Refresh": // as nginx does
		for i, v := range values {
			if before, url, ok := cutFold(v, "url="); ok {
				values[i] = before + x.rewriteURL(url)
			}
		}
	case "Set-Cookie":
		for i, v := range values {
			values[i] = x.rewriteCookie(v)
		}
	}
}

// cutFold splits s after the first separator, in any case.
func cutFold(s, separator string) (before, after string, found bool) {
	for i := 0; i+len(separator) <= len(s); i++ {
		if end := i + len(separator); strings.EqualFold(s[i:end], separator) {
			return s[:end], s[end:], true
		}
	}
	return s, "", false
}

// rewriteURL rewrites a URL that is an absolute path, and one that names the host of the request or the address of the server. The address
// is removed: the client may not reach it. A relative path is right as it is, and other hosts are no concern of the proxy.
func (x *request) rewriteURL(url string) string {
	scheme, authority, path := splitURL(url)
	if authority == "" {
		if scheme != "" || !strings.HasPrefix(path, "/") {
			return url
		}
		path, _ = x.clientPath(path)
		return path
	}
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	mapped, below := x.clientPath(path)
	switch {
	case !below:
		return url
	case sameAuthority(scheme, authority, x.server.Addr):
		return mapped
	case sameAuthority(scheme, authority, x.r.Host) || x.kept(forwardedHost) && sameAuthority(scheme, authority, x.r.Header[forwardedHost][0]):
		return url[:len(scheme)+len("//")+len(authority)] + mapped
	}
	return url
}

// splitURL splits an http or https URL, which may lack the scheme. The scheme ends with its colon.
func splitURL(url string) (scheme, authority, path string) {
	for _, s := range []string{"http:", "https:"} {
		if len(url) >= len(s) && strings.EqualFold(url[:len(s)], s) {
			scheme = s
		}
	}
	path = url[len(scheme):]
	rest, ok := strings.CutPrefix(path, "//")
	if !ok {
		return scheme, "", path
	}
	i := strings.IndexAny(rest, "/?#")
	if i < 0 {
		i = len(rest)
	}
	return scheme, rest[:i], rest[i:]
}

// sameAuthority compares hosts with their ports, where the port of the scheme may be left out.
func sameAuthority(scheme, a, b string) bool {
	port := ":80"
	if scheme == "https:" {
		port = ":443"
	}
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// rewriteCookie rewrites the attribute Path. A cookie whose name begins with __Host- must have the path / (RFC 6265bis, 4.1.3.2).
func (x *request) rewriteCookie(cookie string) string {
	const host = "__Host-"
	if len(cookie) >= len(host) && strings.EqualFold(cookie[:len(host)], host) {
		return cookie
	}
	parts := strings.Split(cookie, ";")
	for i, part := range parts[1:] {
		name, path, _ := strings.Cut(part, "=")
		if !strings.EqualFold(strings.Trim(name, " \t"), "path") {
			continue
		}
		if path = strings.Trim(path, " \t"); strings.HasPrefix(path, "/") {
			path, _ = x.clientPath(path)
			parts[1+i] = name + "=" + path
		}
	}
	return strings.Join(parts, ";")
}

// lacksSlash reports whether the request is for a stripped prefix without the slash behind it, where the relative links of a page would
// lead out of the prefix. Clients of websockets follow no redirect, and have no use for one.
func (p *Proxy) lacksSlash(r *http.Request, to *target, path string) bool {
	return !p.cfg.NoRewrite && to.root == "" && to.prefix != "" && path == to.prefix && !wantsWebsocket(r)
}

// addSlash redirects to the path with a slash, as nginx does for a location with one. It keeps the query; 308 keeps the method and the body
// too, which 301 does for GET and HEAD alone.
func (p *Proxy) addSlash(w http.ResponseWriter, r *http.Request, to *target, s *service, requestID string) {
	x := &request{r: r, to: *to}
	_, x.trusted = p.origin(r)
	x.setPrefix(p.cfg.NoRewrite)
	location := x.outer + to.prefix + "/"
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		location += "?" + r.URL.RawQuery
	}
	status := http.StatusPermanentRedirect
	if slices.Contains([]string{http.MethodGet, http.MethodHead}, r.Method) {
		status = http.StatusMovedPermanently
	}
	p.beginOwnAnswer(w, r, mayLeaveBody(r))
	h := w.Header()
	h["Location"] = []string{location}
	h["Content-Length"] = []string{"0"}
	h[headerRequestID] = []string{requestID}
	w.WriteHeader(status)
	s.metrics().observe(status, time.Duration(0))
}
