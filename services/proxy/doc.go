// Package proxy sends the requests of users to live data servers, so that a server that dies costs them nothing.
//
//	request
//	  | admit     what a server might read in another way is refused
//	  | router    host and prefix, or /{service}/{path...}: which service?
//	  v
//	exchange ──> balancer: which server? ──> pool: a connection to it ──> answer, as it comes
//	  ^                                                     |
//	  |  another server, within the budget                  | no connection, broken off, dead
//	  +-----------------------------------------------------+──> ejection, and evidence for the registry
//
// A request that no byte was sent of may always go to another server. One that was sent may if its method is idempotent (GET,
// HEAD, OPTIONS, PUT, DELETE), its body is held whole (64 KiB at most), and no byte of an answer has come; but not because
// the answer did not come in time: that is a 504 at once. One response timeout runs over all attempts. A status is an answer,
// whatever it says. The end of a connection that lay idle says nothing of a server: where there is no other one, the
// request is sent to the same one again.
//
// Where a client's connection could be read in two ways it ends: after a body with a length beside chunks, or in chunks with HTTP/1.0,
// which a proxy in front may have taken to end elsewhere, and after one that was not read to its end (RFC 9112, 6.1 and 9.3).
//
// The proxy speaks HTTP/1.1 to servers, on connections of its own: the goroutine of a request writes it and reads its answer,
// with the parsers of net/http, where http.Transport takes two more goroutines for each connection (BenchmarkProxy in
// integration has the difference). One goroutine, Run's, watches over all exchanges: it follows the roll, closes
// what belongs to servers that are gone, and ends what takes too long or nobody waits for any more.
package proxy
