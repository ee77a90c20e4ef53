package proxy

import (
	"bufio"
	"cmp"
	"math/rand/v2"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const (
	headerServedBy  = "X-Served-By"
	headerRequestID = "X-Request-Id"
)

// isHopByHop reports whether a field concerns a single connection (RFC 9110, 7.6.1).
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// isOurs reports whether the proxy sets or handles a request field itself, or whether a client could claim another IP address in it.
func isOurs(name string) bool {
	switch name {
	case "Host", "Content-Length", "Expect", "Forwarded", "X-Real-Ip", headerRequestID:
		return true
	}
	return false
}

// endsHere reports whether a field concerns a single connection, by its name or because the field Connection lists it.
func endsHere(name string, connection []string) bool {
	return isHopByHop(name) || connection != nil && httpguts.HeaderValuesContainsToken(connection, name)
}

// passed reports whether a request field is passed to the server. It returns false for a name with an underscore: many servers treat an
// underscore as a dash, so a client could forge X-Forwarded-For with X_Forwarded_For.
func passed(name string, connection []string) bool {
	return !endsHere(name, connection) && !isOurs(name) && !strings.HasPrefix(name, "X-Forwarded-") && strings.IndexByte(name, '_') < 0
}

// returned reports whether a response field is passed to the client.
func returned(name string, connection []string) bool {
	return !endsHere(name, connection) && name != headerServedBy && name != headerRequestID
}

// WriteHeader writes the header of the request for the server. The error is errTarget if the client sent an invalid field.
func (x *request) WriteHeader(w *bufio.Writer) error {
	r := x.r
	put(w, r.Method, " ", x.to.path)
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		put(w, "?", r.URL.RawQuery)
	}
	put(w, " HTTP/1.1\r\nHost: ", cmp.Or(r.Host, x.server.Addr), "\r\n") // a request of HTTP/1.0 may have no host, but servers reject an empty Host
	connection := r.Header["Connection"]
	for name, values := range r.Header {
		if !passed(name, connection) && !x.keeps(name) {
			continue
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) || !validToken(name) {
				return errTarget
			}
			put(w, spelled(name), ": ", v, "\r\n")
		}
	}
	if err := x.writeForwarded(w); err != nil {
		return err
	}
	put(w, headerRequestID, ": ", x.id, "\r\n")
	if !x.websocket && len(r.Header["Te"]) > 0 && httpguts.HeaderValuesContainsToken(r.Header["Te"], "trailers") {
		put(w, "TE: trailers\r\nConnection: TE\r\n") // RFC 9110, 10.1.4: Connection must list TE
	}
	return nil
}

// put writes strings to w. It ignores errors, because w.Flush returns the first error later. If put were a closure, each call would
// allocate a slice for its arguments.
func put(w *bufio.Writer, parts ...string) {
	for _, s := range parts {
		_, _ = w.WriteString(s)
	}
}

// copyHeader copies the header of the server's response to the header for the client, and adds X-Served-By and X-Request-Id.
func (x *request) copyHeader(to, from http.Header) {
	connection := from["Connection"]
	for name, values := range from {
		if returned(name, connection) {
			if x.rewrites {
				x.rewriteField(name, values)
			}
			to[spelled(name)] = values
		}
	}
	if len(to["Content-Type"]) == 0 {
		to["Content-Type"] = nil // so that net/http does not guess a Content-Type
	}
	to[headerServedBy] = []string{x.server.ID}
	to[headerRequestID] = []string{x.id}
}

// requestID returns the client's request id if it is valid, or else a new request id.
func requestID(r *http.Request) string {
	const most = 128
	if given := r.Header[headerRequestID]; len(given) == 1 && len(given[0]) <= most && validToken(given[0]) {
		return given[0]
	}
	var b [16]byte
	const digits = "0123456789abcdef"
	n := rand.Uint64()
	for i := range b {
		b[i] = digits[n&15]
		n >>= 4
	}
	return string(b[:])
}

// wantsWebsocket reports whether the request asks for a websocket. The proxy ignores other upgrades. It also ignores an upgrade with a
// body: it sends no framing with an upgrade, so the server would read the body as another request.
func wantsWebsocket(r *http.Request) bool {
	up := r.Header["Upgrade"]
	return len(up) == 1 && strings.EqualFold(up[0], "websocket") && r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor > 0 && r.ContentLength == 0 &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "Upgrade")
}
