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

// hopByHop are the fields of one connection (RFC 9110, 7.6.1).
var hopByHop = map[string]bool{
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Http2-Settings": true,
}

// ours are the fields of a request that the proxy writes itself, and those by which a client could tell a lie about where it is.
var ours = map[string]bool{
	"Host": true, "Content-Length": true, "Expect": true, "Forwarded": true, "X-Real-Ip": true, headerRequestID: true,
}

// endsHere reports whether a field is of one connection: by its name, or because the field Connection names it.
func endsHere(name string, connection []string) bool {
	return hopByHop[name] || connection != nil && httpguts.HeaderValuesContainsToken(connection, name)
}

// passed reports whether a field of a request goes on to the server. A name with an underscore is read by many servers as
// one with a dash, and so as another field.
func passed(name string, connection []string) bool {
	return !endsHere(name, connection) && !ours[name] && !strings.HasPrefix(name, "X-Forwarded-") && strings.IndexByte(name, '_') < 0
}

// returned reports whether a field of an answer goes on to the client.
func returned(name string, connection []string) bool {
	return !endsHere(name, connection) && name != headerServedBy && name != headerRequestID
}

// WriteHeader writes the header of the request for the server. What is wrong with a value is the client's fault.
func (x *request) WriteHeader(w *bufio.Writer) error {
	r := x.r
	put(w, r.Method, " ", x.to.path)
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		put(w, "?", r.URL.RawQuery)
	}
	put(w, " HTTP/1.1\r\nHost: ", cmp.Or(r.Host, x.server.Addr), "\r\n") // HTTP/1.0 needs no host, and servers refuse an empty one
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
		put(w, "TE: trailers\r\nConnection: TE\r\n") // RFC 9110, 10.1.4: of no effect where Connection does not name it
	}
	return nil
}

// put writes to w, which keeps the error. It is no closure: a call of a function that the compiler does not know would allocate the list.
func put(w *bufio.Writer, parts ...string) {
	for _, s := range parts {
		_, _ = w.WriteString(s)
	}
}

// copyHeader gives the client the header of an answer, with what the proxy says itself.
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
		to["Content-Type"] = nil // or net/http would guess one
	}
	to[headerServedBy] = []string{x.server.ID}
	to[headerRequestID] = []string{x.id}
}

// requestID is the client's, if it may be one, or a new one.
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

// wantsWebsocket reports whether the request asks for a websocket. Every other upgrade is ignored, and so is one with a body:
// what frames a body is not sent with an upgrade, so that the server would take the body for another request.
func wantsWebsocket(r *http.Request) bool {
	up := r.Header["Upgrade"]
	return len(up) == 1 && strings.EqualFold(up[0], "websocket") && r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor > 0 && r.ContentLength == 0 &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "Upgrade")
}
