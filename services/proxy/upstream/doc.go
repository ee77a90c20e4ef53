// Package upstream sends HTTP/1.1 requests to servers on connections of its own.
//
//	Transport ──> Pool, one for each server ──> conn ──> Response ──> Close: the connection is idle again, or closed
//	                 Do                          | upload: a body that is sent while it is received
//
// http.Transport takes two more goroutines for each connection. Here the goroutine that calls Do writes the request and reads the
// response, with the parsers of net/http (BenchmarkProxy in integration has the difference). It sets no deadlines: Pool.Sweep ends requests
// that wait too long or whose client is gone.
//
// An Error says whose fault it was and whether the server may have received a part of the request. Whether to repeat a request, and what
// an error means for the server, is decided by the caller.
package upstream
