package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
)

// Response is a response whose header was received. The caller must call either Close or Tunnel, and must not use the Response after that.
type Response struct {
	StatusCode int
	Header     http.Header

	c        *conn
	ctx      context.Context
	req      *Request
	upload   *upload // sends Request.Stream; nil if the request has no Stream
	parsed   *http.Response
	body     io.Reader
	chunks   chunks
	complete bool  // the body was read to its end
	err      error // last error of Read
}

// do sends req and reads the header of the response.
func (c *conn) do(ctx context.Context, req *Request) (*Response, error) {
	c.budget, c.received, c.doubtful = headerLimit, false, false
	c.use.begin(ctx, req)
	r := &c.response
	*r = Response{c: c, ctx: ctx, req: req}
	if err := r.open(); err != nil {
		return nil, r.finish(err)
	}
	return r, nil
}

func (r *Response) open() error {
	c, req := r.c, r.req
	if err := req.Header.WriteHeader(c.w); err != nil {
		return clientError{err}
	}
	c.writeFraming(req)
	if req.Stream != nil {
		_ = c.w.Flush()
		r.upload = startUpload(c, req)
	} else {
		c.use.await(req.Since)
		_, _ = c.w.Write(req.Body)
		_ = c.w.Flush() // errors are ignored: a server that does not read the whole body may have responded
	}
	parsed, err := c.readHeader(req)
	c.use.respond()
	if err != nil {
		return err
	}
	c.budget, c.client = math.MaxInt64, req.Client
	r.parsed, r.StatusCode, r.Header, r.body = parsed, parsed.StatusCode, parsed.Header, parsed.Body
	switch {
	case parsed.ContentLength == 0, parsed.Body == http.NoBody, req.Method == http.MethodHead:
		r.complete = true
	case len(parsed.TransferEncoding) > 0:
		r.chunks = chunks{r: c.r, last: parsed.Body}
		r.body = &r.chunks
	}
	return nil
}

// maxInterim is the maximum number of responses to one request: the interim responses and the final response.
const maxInterim = 16

// readHeader reads the header of the final response. It passes interim responses to the client, except 100 Continue.
func (c *conn) readHeader(req *Request) (*http.Response, error) {
	c.keepHeader()
	defer c.unkeepHeader()
	for range maxInterim {
		resp, err := c.readResponse(req.Method)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols && !req.Websocket:
			return nil, errors.New("unexpected response 101 Switching Protocols")
		case resp.StatusCode == http.StatusSwitchingProtocols, resp.StatusCode >= http.StatusOK:
			return resp, nil
		case resp.StatusCode > http.StatusContinue:
			req.Client.Interim(resp.StatusCode, resp.Header)
		}
	}
	return nil, fmt.Errorf("more than %d interim responses", maxInterim)
}

// Done reports whether the body is empty or was read to its end.
func (r *Response) Done() bool { return r.complete }

// Buffered returns the body if all of it is in memory, or else nil. The bytes are valid until Close. Read does not return them again.
func (r *Response) Buffered() []byte {
	n := r.parsed.ContentLength
	if r.complete || n < 0 || n > int64(r.c.r.Buffered()) {
		return nil
	}
	b, _ := r.c.r.Peek(int(n))
	_, _ = r.c.r.Discard(int(n))
	r.complete = true
	return b
}

// Read reads from the body. It calls Client.Flush before it waits for the server.
func (r *Response) Read(p []byte) (int, error) {
	if r.complete {
		return 0, io.EOF
	}
	n, err := r.body.Read(p)
	if r.complete = err == io.EOF; !r.complete {
		r.err = err
	}
	return n, err
}

// Trailer returns the fields after the body. Until Read has returned io.EOF it returns the announced fields without values.
func (r *Response) Trailer() http.Header { return r.parsed.Trailer }

// Close ends the request. The caller passes nil or the error of Read. If the client did not take the whole response, the caller passes
// another error. The result is an *Error, or nil if err is nil. The connection is used again only if both the request and the response are
// complete.
func (r *Response) Close(err error) error {
	if err != nil && err != r.err {
		err = clientError{err}
	}
	return r.finish(err)
}

// finish stops the upload, puts the connection back into its pool or closes it, and converts err to an *Error.
func (r *Response) finish(err error) error {
	c := r.c
	if err != nil && (r.ctx.Err() != nil || c.use.reason() == ErrClientGone) { // checked before upload.stop, because upload.stop may end the context too
		err = clientError{ErrClientGone}
	}
	whole := r.complete && err == nil
	if r.upload != nil {
		broken := r.upload.stop(whole)
		whole = whole && r.upload.full
		if err != nil && broken != nil {
			err = clientError{broken}
		}
	}
	c.client = nil
	if c.use.release() && whole && !r.parsed.Close && !c.doubtful && c.clean() {
		*r = Response{} // an idle connection must not keep the request in memory
		c.pool.put(c)
	} else {
		c.pool.close(c)
	}
	if err != nil {
		return c.asError(err)
	}
	return nil
}
