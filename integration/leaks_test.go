package integration

import "go.uber.org/goleak"

// leakOptions makes goleak ignore the HTTP connections of nsqd and nsqlookupd, which keep them for 90 s.
func leakOptions() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	}
}
