package upstream

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"sync"
)

// What http.ReadResponse needs of the request: whether the response may have a body.
var (
	toGet  = &http.Request{Method: http.MethodGet}
	toHead = &http.Request{Method: http.MethodHead}
)

// keeps are buffers for what is read until the header of an answer is complete.
var keeps = sync.Pool{New: func() any { b := make([]byte, 0, readSize); return &b }}

// keepHeader has Read keep what it reads, until unbound: net/http removes fields of an answer that this proxy must know.
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

// readResponse is http.ReadResponse with the field Connection as it was sent, and it finds out whether the end of the answer is in doubt.
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
	if resp.Close && resp.Header["Connection"] == nil { // net/http removes it where it has the option close
		if sent := connectionIn(header); sent != nil {
			resp.Header["Connection"] = sent
		}
	}
	c.doubtful = c.doubtful || doubtfulAnswer(resp, header)
	return resp, nil
}

// connectionIn returns the values of Connection in a header that net/http has read.
func connectionIn(header []byte) []string {
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(header)))
	_, _ = r.ReadLine()
	fields, _ := r.ReadMIMEHeader()
	return fields["Connection"]
}

// doubtfulAnswer reports whether bytes that belong to the answer may come after what net/http takes for its end: where it announces a body
// that it must not have, and where one field has another end of the body than the other (RFC 9112, 6.1 and 6.3). An answer to HEAD, and
// 304, may tell the length of the body that it does not have.
func doubtfulAnswer(resp *http.Response, header []byte) bool {
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

// hasField reports whether a line of a header begins with a name. It ignores spaces before the name.
func hasField(header []byte, name string) bool {
	for line := range bytes.SplitSeq(header, []byte("\n")) {
		line = bytes.TrimLeft(line, " \t\r")
		if len(line) >= len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return true
		}
	}
	return false
}
