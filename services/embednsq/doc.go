// Package embednsq runs nsqd and nsqlookupd inside the process, for the demo and for tests.
//
// Each daemon listens when its Start function returns, on a port of the system's choice unless told
// otherwise, and leaves no goroutine of its own behind after Stop. What may outlive Stop are HTTP
// connections that a client keeps idle, since neither daemon closes them: clients should close their
// idle connections, and nsqd's own to nsqlookupd ends by itself after 90 seconds.
//
// Under the race detector, close the consumers before nsqd: its Exit looks at a channel's messages in
// flight without the lock that its connections hold.
package embednsq
