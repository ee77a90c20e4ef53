package proxy

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

const forwardedPrefix = "X-Forwarded-Prefix"

// stripped returns the part of the client's path that the server does not see: /a for the route /a/b=service/b, and the whole prefix for a
// route without a path. It returns an empty string if the server sees the whole path, or if the route replaces the prefix with another path.
func (t *target) stripped() string {
	if stripped, ok := strings.CutSuffix(t.prefix, t.root); ok {
		return stripped
	}
	return ""
}

// setPrefix sets x.prefix and x.outer, the parts of X-Forwarded-Prefix, and x.rewrites.
func (x *request) setPrefix(noRewrite bool) {
	if noRewrite || x.to.prefix == x.to.root {
		return
	}
	x.rewrites = true
	x.prefix = x.to.stripped()
	if x.prefix == "" || !x.trusted {
		return
	}
	// The trusted proxy has removed a prefix before this proxy. The client's path begins with both prefixes.
	if outer := x.r.Header[forwardedPrefix]; len(outer) == 1 && beginsPath(outer[0]) && httpguts.ValidHeaderFieldValue(outer[0]) {
		x.outer = strings.TrimSuffix(outer[0], "/")
	}
}

// clientPath translates a path of the server to the path that the client must request. Both paths may have a query and a fragment. It
// reports false if the server's path is not below target.root, the path to which the route leads.
//
// If the server's path begins with the prefix, clientPath returns the path unchanged: the server knows the prefix, from X-Forwarded-Prefix
// or from its configuration. The result is wrong if the server does not know the prefix but has a path of the same name.
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
		return "/." + path, true // /.// is the same path as //, which a client would read as the beginning of a host
	}
	return path, true
}

// beginsPath reports whether clients read a reference as an absolute path. Browsers read a backslash as a slash.
func beginsPath(reference string) bool {
	return strings.HasPrefix(reference, "/") && (len(reference) == 1 || reference[1] != '/' && reference[1] != '\\')
}

// isBelow reports whether a path is root or begins with the segments of root. The path may have a query and a fragment.
func isBelow(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || strings.IndexByte("/?#", rest[0]) >= 0)
}

// rewriteField translates the server's paths in the values of a response field to the client's paths.
func (x *request) rewriteField(name string, values []string) {
	switch name {
	case "Location", "Content-Location":
		for i, v := range values {
			values[i] = x.rewriteURL(v)
		}
	case "Refresh": // nginx translates Refresh too
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

// rewriteURL translates the path in url. It does so for an absolute path, and for a URL with the host of the request or the address of the
// server. It removes the address of the server, because the client may be unable to reach it. It does not change relative paths and URLs of
// other hosts.
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

// sameAuthority reports whether two hosts with ports are the same. Both may omit the default port of the scheme.
func sameAuthority(scheme, a, b string) bool {
	port := ":80"
	if scheme == "https:" {
		port = ":443"
	}
	return strings.EqualFold(strings.TrimSuffix(a, port), strings.TrimSuffix(b, port))
}

// rewriteCookie translates the attribute Path of a cookie. It does not change a cookie with the prefix __Host-, whose path must be / (RFC
// 6265bis, 4.1.3.2).
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

// lacksSlash reports whether the path is a prefix that the proxy removes, and does not end in a slash (/app, not /app/). In a page with such
// a path, relative links would lead out of the prefix. lacksSlash returns false for websockets, because their clients do not follow
// redirects.
func (p *Proxy) lacksSlash(r *http.Request, to *target, path string) bool {
	return !p.cfg.NoRewrite && to.root == "" && to.prefix != "" && path == to.prefix && !wantsWebsocket(r)
}

// addSlash redirects the client to the path with a slash at its end, as nginx does for a location that ends in a slash. It keeps the query.
// For methods other than GET and HEAD the status is 308, after which clients keep the method and the body.
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
