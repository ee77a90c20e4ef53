package upstream

import (
	"bufio"
	"io"
	"net/http"
	"strconv"
)

// Request is what Pool.Do sends. A Request may be sent again after Do failed, but not twice at once.
type Request struct {
	Method     string
	Header     Header
	Client     Client
	Websocket  bool  // the request asks for a websocket, and may be answered with 101
	Repeatable bool  // a server may execute the request although another one already has
	Since      int64 // start of the response timeout by Transport.Now: of the first attempt

	Body   []byte // unless there is a Stream
	Stream Stream // a body that is sent while it is received, or nil
	Length int64  // of Stream in bytes, or -1
}

// Header is the header of a request.
type Header interface {
	// WriteHeader writes the request line and all fields but those that frame the body. An error is the client's fault.
	WriteHeader(w *bufio.Writer) error
}

// Client receives what comes before and between the parts of a response. The goroutine that called Do calls its methods.
type Client interface {
	// Interim passes on a response of 102 to 199.
	Interim(status int, header http.Header)
	// Flush sends the client what was written so far. Response.Read calls it before it waits for the server.
	Flush() error
}

// Stream is the body of a request, which another goroutine reads while Do and Response are used, but not after.
type Stream interface {
	// Start is called before the first Read, by the goroutine that called Do.
	Start()
	// Read is that of an io.Reader. Any error but io.EOF is the client's fault, and ErrStopped after Stop.
	io.Reader
	// Trailer returns the fields to send after the body. Before Read has returned io.EOF they may lack their values.
	Trailer() http.Header
	// Stop ends Read soon. responded tells that the client has a whole response.
	Stop(responded bool)
}

// writeFraming ends the header with the fields that frame the body.
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
	case len(req.Body) > 0 || announcesBody(req.Method):
		c.put("Content-Length: ", strconv.Itoa(len(req.Body)), "\r\n")
	}
	c.put("\r\n")
}

// announcesBody reports whether a request without a body says so (RFC 9110, 8.6).
func announcesBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
		return false
	}
	return true
}

// put writes to the server. Flush returns the error.
func (c *conn) put(parts ...string) {
	for _, s := range parts {
		_, _ = c.w.WriteString(s)
	}
}
