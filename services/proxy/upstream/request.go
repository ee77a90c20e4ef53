package upstream

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
)

// Request is a request for Pool.Do. It may be sent again after Do or Response.Close failed.
type Request struct {
	Method     string
	Header     Header
	Client     Client
	Websocket  bool  // the request asks for a websocket; a response of 101 to any other request is an error
	Repeatable bool  // a server may execute the request twice
	Since      int64 // start of the response timeout of a request without Stream, as a value of Transport.Now

	Body   []byte // ignored if Stream is set
	Stream Stream // body that is sent while it is read, or nil
	Length int64  // length of Stream in bytes; negative: unknown
}

// Header writes the header of a request.
type Header interface {
	// WriteHeader writes the request line and all fields except those that frame the body. An error is the client's fault.
	WriteHeader(w *bufio.Writer) error
}

// Client is the receiver of a response. Its methods are called by the goroutine that uses the Response, except Gone.
type Client interface {
	// Interim is called for each response with a status from 102 to 199.
	Interim(status int, header http.Header)
	// Flush sends the client everything that was written so far. Response.Read calls it before it waits for the server.
	Flush() error
	// Gone reports whether the client has closed its connection. It is for clients whose requests have a context that does not end then. Gone
	// must not block. Sweep calls it.
	Gone() bool
}

// Stream is a request body that is sent while it is read. A goroutine reads it until Do has failed or the Response is closed.
type Stream interface {
	// Do calls Start before the first Read.
	Start()
	// Read returns ErrStopped after Stop. Any other error except io.EOF is the client's fault.
	io.Reader
	// Trailer returns the fields to send after the body. Their values may be missing until Read has returned io.EOF.
	Trailer() http.Header
	// Stop makes Read return soon. The argument is true if the client has the whole response.
	Stop(responded bool)
}

// writeFraming writes the fields that frame the body, and then the empty line that ends the header.
func (c *conn) writeFraming(req *Request) {
	switch {
	case req.Websocket:
		c.put("Connection: Upgrade\r\nUpgrade: websocket\r\n")
	case req.Stream != nil && req.Length < 0:
		c.put("Transfer-Encoding: chunked\r\n")
		for name := range req.Stream.Trailer() {
			c.put("Trailer: ", name, "\r\n")
		}
	case req.Stream != nil:
		c.put("Content-Length: ", strconv.FormatInt(req.Length, 10), "\r\n")
	case len(req.Body) > 0 || needsLength(req.Method):
		c.put("Content-Length: ", strconv.Itoa(len(req.Body)), "\r\n")
	}
	c.put("\r\n")
}

// needsLength reports whether a request without a body must have a Content-Length of 0 (RFC 9110, 8.6).
func needsLength(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
		return false
	}
	return true
}

// put writes to the write buffer of the connection. It ignores errors, because Flush returns the first error later.
func (c *conn) put(parts ...string) {
	for _, s := range parts {
		_, _ = c.w.WriteString(s)
	}
}
