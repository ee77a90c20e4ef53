// Package proxy sends requests of clients to live servers. A server that dies costs clients no request.
//
//	request
//	  | admit     refuses what a server might read in another way
//	  | router    chooses a service by host and prefix, or by /{service}/{path...}
//	  v
//	call ──> balancer chooses a server ──> upstream.Pool has a connection to it ──> reply sends the response to the client
//	  ^                                                     |
//	  |  another server, within the retry budget            | no connection, connection broken, server dead
//	  +-----------------------------------------------------+──> ejection, and evidence for the registry
//
// A request of which no byte was sent may always go to another server. A request that was sent may go to another server only if its method
// is idempotent (GET, HEAD, OPTIONS, PUT, DELETE), its body is in memory (at most 64 KiB), and no byte of a response was received. A
// response timeout is not retried: it is a 504 at once. One response timeout runs over all attempts. A response is a response, whatever its
// status. The end of an idle connection is no failure of its server: if there is no other server, the request is sent to the same one again.
//
// The connection of a client ends after a request whose end is ambiguous: a length together with chunks, or chunks in HTTP/1.0, because a
// proxy in front may have assumed another end. It also ends after a request body that was not read to its end (RFC 9112, 6.1 and 9.3).
//
// Package upstream has the connections to servers, package clientconn those of clients. The goroutine of Run follows the registry, closes
// connections to servers that have left, and ends requests that exceed a timeout.
//
// README.md describes the proxy for its users.
package proxy
