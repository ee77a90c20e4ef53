package connlimit

import (
	"net"
	"net/http"
)

// headerSlack is the number of bytes that net/http allows in addition to MaxHeaderBytes.
const headerSlack = 4 << 10

// Configure limits the header of each request to s to headerLimit bytes, which must be more than 4 KiB. If l is a *Listener, Configure also
// makes s close idle connections while l is full. Call Configure before s serves on l.
func Configure(s *http.Server, l net.Listener, headerLimit int) {
	s.MaxHeaderBytes = headerLimit - headerSlack
	if bounded, ok := l.(*Listener); ok {
		bounded.onFull = func(full bool) { s.SetKeepAlivesEnabled(!full) }
	}
}
