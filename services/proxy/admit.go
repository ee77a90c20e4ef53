package proxy

import (
	"errors"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

var (
	errPath   = errors.New("the path has a segment .. or a NUL")
	errTarget = errors.New("the method, host, path or query has a character that it must not have")
	errMethod = errors.New("the proxy takes neither CONNECT nor TRACE")
	errNoPath = errors.New("no such path: want /{service}/{path}, or a path that is configured")

	errAmbiguous = errors.New("the path can be read as a path of another route")
)

// admit refuses what net/http lets through and a server may read in another way than this proxy. unplain is that of scanPath.
func admit(r *http.Request, path string) (unplain bool, err error) {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return false, errMethod
	}
	valid, unplain := scanPath(path)
	// HTTP/2 has none of the syntax that bounds these in HTTP/1.1; a host in absolute form is unescaped there too.
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
