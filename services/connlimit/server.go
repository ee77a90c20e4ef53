package connlimit

import (
	"net"
	"net/http"
)

// headerSlack is what net/http adds to MaxHeaderBytes, in bytes.
const headerSlack = 4 << 10

// Configure sets the limits of s, which is about to serve on l: a request header of at most headerLimit bytes, and, if l is a *Listener,
// no idle connections while l is full. headerLimit must be more than 4 KiB.
func Configure(s *http.Server, l net.Listener, headerLimit int) {
	s.MaxHeaderBytes = headerLimit - headerSlack
	if bounded, ok := l.(*Listener); ok {
		bounded.onFull = func(full bool) { s.SetKeepAlivesEnabled(!full) }
	}
}
