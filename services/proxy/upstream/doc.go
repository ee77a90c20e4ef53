// Package upstream sends HTTP/1.1 requests to servers on connections of its own.
//
//	Transport ──> Pool (one per server) ──Do──> conn ──> Response ──Close──> conn is idle again, or closed
//	                                             └──> upload: a body that is sent while it is read
//
// The goroutine that calls Do writes the request and reads the response, with the parsers of net/http. http.Transport uses two more
// goroutines for each connection (BenchmarkProxy in integration/figures measures the difference). Requests set no deadlines on
// connections: Pool.Sweep ends requests that exceed a timeout or whose client is gone.
//
// An Error says who caused the failure, and whether the server may have received a part of the request. The caller decides whether to
// repeat the request, and what the failure says about the health of the server.
package upstream
