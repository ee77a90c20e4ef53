package proxy

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

const forwardedPrefix = "X-Forwarded-Prefix"

// stripped returns the part of the client's path that the server does not see: /a for the route /a/b=service/b, and the whole prefix for
// a route without a path. It is empty if the server sees the whole path, or another path instead of the prefix.
func (t *target) stripped() string {
	if stripped, ok := strings.CutSuffix(t.prefix, t.root); ok {
		return stripped
	}
	return ""
}

// setPrefix sets the prefix for X-Forwarded-Prefix, and whether responses are rewritten.
func (x *request) setPrefix(noRewrite bool) {
	if noRewrite || x.to.prefix == x.to.root {
		return
	}
	x.rewrites = true
	x.prefix = x.to.stripped()
	if x.prefix == "" || !x.trusted {
		return
	}
	// A trusted proxy has removed a prefix before. The client sees both.
	if outer := x.r.Header[forwardedPrefix]; len(outer) == 1 && beginsPath(outer[0]) && httpguts.ValidHeaderFieldValue(outer[0]) {
		x.outer = strings.TrimSuffix(outer[0], "/")
	}
}

// clientPath translates a path of the server to the client's path. Both may have a query and a fragment. It reports false if the path is not
// below the root to which the route leads.
//
// A path that begins with the prefix is returned as it is, because its server knows the prefix, from X-Forwarded-Prefix or from its
// configuration. A server that has a path of its own with the name of the prefix is mistaken for such a server.
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
		return "/." + path, true // the same path; a client would read // as the beginning of a host
	}
	return path, true
}

// beginsPath reports whether clients read a reference as an absolute path. Browsers read a backslash as a slash.
func beginsPath(reference string) bool {
	return strings.HasPrefix(reference, "/") && (len(reference) == 1 || reference[1] != '/' && reference[1] != '\\')
}

// isBelow reports whether a path, which may have a query and a fragment, is root or begins with its segments.
func isBelow(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || strings.IndexByte("/?#", rest[0]) >= 0)
}

// rewriteField changes paths of the server to paths of the client in the values of a response field.
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

// cutFold splits s after the first separator. It ignores case.
func cutFold(s, separator string) (before, after string, found bool) {
	for i := 0; i+len(separator) <= len(s); i++ {
		if end := i + len(separator); strings.EqualFold(s[i:end], separator) {
			return s[:end], s[end:], true
		}
	}
	return s, "", false
}

// rewriteURL rewrites an absolute path, and a URL with the host of the request or the address of the server. It removes the address of the
// server, which the client may be unable to reach. It does not change relative paths and URLs of other hosts.
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

// splitURL splits an http or https URL, with or without its scheme. The scheme includes the colon.
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

// sameAuthority compares two hosts with ports. The default port of the scheme may be omitted.
func sameAuthority(scheme, a, b string) bool {
	port := ":80"
	if scheme == "https:" {
		port = ":443"
	}
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// rewriteCookie rewrites the attribute Path, except for cookies with the prefix __Host-, whose path must be / (RFC 6265bis, 4.1.3.2).
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

// lacksSlash reports whether the path of the request is a removed prefix without a slash at its end. Relative links of such a page would
// leave the prefix. Websockets are excepted, because their clients do not follow redirects.
func (p *Proxy) lacksSlash(r *http.Request, to *target, path string) bool {
	return !p.cfg.NoRewrite && to.root == "" && to.prefix != "" && path == to.prefix && !wantsWebsocket(r)
}

// addSlash redirects to the path with a slash, as nginx does for a location that ends in a slash. It keeps the query. For methods other
// than GET and HEAD it uses 308, after which clients keep the method and the body.
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
	p.beginOwnResponse(w, r, mayLeaveBody(r))
	h := w.Header()
	h["Location"] = []string{location}
	h["Content-Length"] = []string{"0"}
	h[headerRequestID] = []string{requestID}
	w.WriteHeader(status)
	s.metrics().observe(status, time.Duration(0))
}
