// Package proxy sends requests of clients to live servers. If a server dies, its requests go to another server if this is safe.
//
//	request
//	  | admit     rejects a request that a server might read in another way
//	  | router    chooses a service by host and prefix, or by /{service}/{path...}
//	  v
//	call ──> balancer chooses a server ──> upstream.Pool has a connection to it ──> reply sends the response to the client
//	  ^                                                     |
//	  |  another server, within the retry budget            | no connection, connection broken, server dead
//	  +-----------------------------------------------------+──> ejection, and evidence for the registry
//
// A request can always go to another server if no byte of it was sent. A request that was sent can go to another server only if its method
// is idempotent (GET, HEAD, OPTIONS, PUT, DELETE), its body is in memory (at most 64 KiB), and no byte of a response was received. After a
// response timeout the proxy does not retry: the client gets a 504. All attempts of a request share one response timeout. The proxy passes
// a response of any status to the client, and does not retry because of a status. If a server closes an idle connection just when a request
// is sent on it, the server has not failed: if there is no other server, the request goes to the same server again.
//
// The proxy closes the connection of a client after a request whose end is ambiguous, because a proxy in front may have assumed another
// end. The end is ambiguous if the request has a length together with chunks, or chunks in HTTP/1.0. The proxy also closes the connection
// after a request whose body was not read to its end (RFC 9112, 6.1 and 9.3).
//
// Package upstream handles the connections to servers, and package clientconn handles the connections of clients. The goroutine of Run
// follows the registry, closes connections to servers that have left, and ends requests that exceed a timeout.
//
// README.md describes the proxy for its users.
package proxy
