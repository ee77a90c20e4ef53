package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Response is a response whose header was received. Its owner reads the body and calls Close, or else Tunnel; after that the Response must
// not be used.
type Response struct {
	StatusCode int
	Header     http.Header

	c        *conn
	ctx      context.Context
	req      *Request
	upload   *upload // of Request.Stream, or nil
	parsed   *http.Response
	body     io.Reader
	chunks   chunks
	complete bool  // the body was read to its end
	err      error // of Read, if it failed
}

// do sends req on c and reads the header of the response.
func (c *conn) do(ctx context.Context, req *Request) (*Response, error) {
	c.begin(ctx, req)
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
		_ = c.w.Flush() // a server that refuses a body may have responded all the same
	}
	parsed, err := c.readHeader(req)
	c.use.respond()
	if err != nil {
		return err
	}
	c.unbound()
	c.client = req.Client
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

// maxInterim bounds the 1xx responses before the final one.
const maxInterim = 16

// readHeader reads the header of the response, and passes on interim responses.
func (c *conn) readHeader(req *Request) (*http.Response, error) {
	c.keepHeader()
	defer c.unkeepHeader()
	for range maxInterim {
		resp, err := c.readResponse(req.Method)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols && !req.Websocket:
			return nil, errUnasked
		case resp.StatusCode == http.StatusSwitchingProtocols, resp.StatusCode >= http.StatusOK:
			return resp, nil
		case resp.StatusCode > http.StatusContinue:
			req.Client.Interim(resp.StatusCode, resp.Header)
		}
	}
	return nil, fmt.Errorf("%w: more than %d interim answers", errUnasked, maxInterim)
}

// Done reports whether the body was read to its end, as one that is empty is.
func (r *Response) Done() bool { return r.complete }

// Buffered returns the whole body if all of it was received, or nil. It is valid until Close. Read does not return it again.
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

// Read reads from the body. Before it waits for the server it calls Client.Flush.
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

// Trailer returns the trailer: at first the fields that the header announces, and all fields once Read has returned io.EOF.
func (r *Response) Trailer() http.Header { return r.parsed.Trailer }

// Close ends the request. err is why the body was not passed on to its end, or nil: the error of Read, or any other error if it is
// the client's fault. The result is an *Error, or nil if err is nil.
func (r *Response) Close(err error) error {
	if err != nil && err != r.err {
		err = clientError{err}
	}
	return r.finish(err)
}

// finish ends the upload and gives the connection back to its pool if both messages ended on it, or else closes it.
func (r *Response) finish(err error) error {
	c := r.c
	if err != nil && r.ctx.Err() != nil { // before the upload is stopped, which ends the context too
		err = clientError{ErrClientGone}
	}
	whole := r.complete && err == nil
	if r.upload != nil {
		broken := r.upload.stop(whole) // what the server does not want goes nowhere
		whole = whole && r.upload.full
		if err != nil && broken != nil {
			err = clientError{broken}
		}
	}
	c.client = nil
	if c.use.release() && whole && !r.parsed.Close && !c.doubtful && c.clean() {
		c.pool.put(c)
	} else {
		c.pool.close(c)
	}
	if err != nil {
		return c.asError(err)
	}
	return nil
}
