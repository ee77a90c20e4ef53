package upstream

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"sync"
)

// toGet and toHead are requests for http.ReadResponse, which must know that a response to HEAD has no body.
var (
	toGet  = &http.Request{Method: http.MethodGet}
	toHead = &http.Request{Method: http.MethodHead}
)

// keeps is the pool of the buffers that keepHeader uses.
var keeps = sync.Pool{New: func() any { b := make([]byte, 0, readSize); return &b }}

// keepHeader makes Read copy every byte to c.kept until unkeepHeader is called. readResponse needs the bytes, because net/http removes some
// fields from the header.
func (c *conn) keepHeader() {
	if c.kept == nil {
		c.kept = keeps.Get().(*[]byte)
		*c.kept = (*c.kept)[:0]
	}
}

func (c *conn) unkeepHeader() {
	if c.kept != nil {
		keeps.Put(c.kept)
		c.kept = nil
	}
}

// readResponse calls http.ReadResponse, restores the field Connection, and sets c.doubtful. The caller must have called keepHeader.
func (c *conn) readResponse(method string) (*http.Response, error) {
	as := toGet
	if method == http.MethodHead {
		as = toHead
	}
	read := func() int { return len(*c.kept) - c.r.Buffered() }
	begin := read()
	resp, err := http.ReadResponse(c.r, as)
	if err != nil {
		return nil, err
	}
	header := (*c.kept)[begin:read()]
	if resp.Close && resp.Header["Connection"] == nil { // net/http removes the field Connection if it contains close
		if sent := connectionIn(header); sent != nil {
			resp.Header["Connection"] = sent
		}
	}
	c.doubtful = c.doubtful || isDoubtful(resp, header)
	return resp, nil
}

// connectionIn returns the values of the field Connection in the bytes of a header.
func connectionIn(header []byte) []string {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(header)))
	_, _ = r.ReadLine()
	fields, _ := r.ReadMIMEHeader()
	return fields["Connection"]
}

// isDoubtful reports whether the server may send more bytes after what net/http takes for the end of the response. The end is doubtful if
// the header announces a body that the status does not allow, if it has both a length and chunks, or if it has Transfer-Encoding in
// HTTP/1.0 (RFC 9112, 6.1 and 6.3). A Content-Length in a response to HEAD or in a response of 304 is not doubtful: it is the length of a
// body that is not sent.
func isDoubtful(resp *http.Response, header []byte) bool {
	chunked := len(resp.TransferEncoding) > 0
	switch status := resp.StatusCode; {
	case status < http.StatusOK, status == http.StatusNoContent:
		length := resp.Header["Content-Length"]
		return chunked || len(length) > 0 && length[0] != "0"
	case status == http.StatusNotModified:
		return chunked
	case chunked:
		return hasField(header, "Content-Length")
	case resp.ProtoMajor == 1 && resp.ProtoMinor == 0:
		return hasField(header, "Transfer-Encoding")
	}
	return false
}

// hasField reports whether a line of the header begins with the given name. It ignores upper and lower case, and spaces before the name.
func hasField(header []byte, name string) bool {
	for line := range bytes.SplitSeq(header, []byte("\n")) {
		line = bytes.TrimLeft(line, " \t\r")
		if len(line) >= len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return true
		}
	}
	return false
}
