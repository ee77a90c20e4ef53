package proxy

import (
	"errors"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

var (
	errPath   = errors.New("the path has a segment .. or a NUL")
	errTarget = errors.New("the method, host, path, query or a header field has an invalid character")
	errMethod = errors.New("the proxy does not accept CONNECT and TRACE")
	errNoPath = errors.New("no such path: want /{service}/{path} or a configured route")

	errAmbiguous = errors.New("the path can be read as a path of another route")
)

// admit rejects a request that net/http accepts but that a server may read in another way than this proxy. unplain is true if servers could
// read the path in several ways (see scanPath).
func admit(r *http.Request, path string) (unplain bool, err error) {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return false, errMethod
	}
	valid, unplain := scanPath(path)
	// net/http rejects invalid methods and queries only in HTTP/1. It unescapes the host of an absolute URL, so the host can be invalid.
	if !valid || !httpguts.ValidHostHeader(r.Host) || r.ProtoMajor > 1 && (!validToken(r.Method) || hasSpace(r.URL.RawQuery)) {
		return false, errTarget
	}
	if hasDotDot(r.URL.Path) || strings.Contains(path, "%00") {
		return false, errPath
	}
	return unplain, nil
}

func validToken(s string) bool { return httpguts.ValidHeaderFieldName(s) }

func hasSpace(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
