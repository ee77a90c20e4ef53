package clientconn

import (
	"net/http"
	"sync/atomic"
)

// watched is a *conn, or a *tlsConn.
type watched interface {
	beginBody() fields
	sawCoding() bool
	endRequest()
	linger(stopping *atomic.Bool)
	gone() bool
	setCork() bool
	uncork() error
}

type connKey struct{}

func connOf(r *http.Request) (watched, bool) {
	c, ok := r.Context().Value(connKey{}).(watched)
	return c, ok
}

// AmbiguousFraming reports whether a proxy in front may have assumed another end of the request: the request has both Content-Length and
// Transfer-Encoding, or has Transfer-Encoding in HTTP/1.0. No further request may follow on its connection (RFC 9112, 6.1). The first
// handler of a request must call AmbiguousFraming once, before it reads the body.
func AmbiguousFraming(r *http.Request) bool {
	if r.ProtoMajor != 1 {
		return false
	}
	c, ok := connOf(r)
	// If the request has no body, net/http may be in conn.Read at this moment, so beginBody must not be called: it would race with Read.
	// sawCoding is atomic.
	if r.ContentLength == 0 {
		return r.ProtoMinor == 0 && (!ok || c.sawCoding())
	}
	found := hasLength | hasCoding
	if ok {
		found = c.beginBody()
	}
	if len(r.TransferEncoding) > 0 {
		return found&hasLength != 0
	}
	return r.ProtoMinor == 0 && found&hasCoding != 0
}
