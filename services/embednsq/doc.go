// Package embednsq runs nsqd and nsqlookupd inside the process, for the demo and for tests.
//
// A daemon accepts connections when its Start function returns, by default on a free port of 127.0.0.1. After Stop, no goroutine
// of the daemon is left, except those of idle HTTP connections, which neither daemon closes. Clients should close their
// idle connections. The idle connection of nsqd to nsqlookupd ends after 90 seconds.
//
// Under the race detector, stop the consumers before nsqd: nsqd's Exit reads the in-flight messages of a channel
// without the lock that its connections hold.
package embednsq
