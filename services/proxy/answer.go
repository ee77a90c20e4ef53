package proxy

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"rollcall/services/balancer"
)

// maxInterim bounds the 1xx answers before the one that counts.
const maxInterim = 16

// What http.ReadResponse wants to know of the request: whether the answer may have a body.
var (
	asGet  = &http.Request{Method: http.MethodGet}
	asHead = &http.Request{Method: http.MethodHead}
)

// readAnswer reads the header of the answer. Interim ones are passed on as they come, where they can be.
func (x *exchange) readAnswer(c *conn) (*http.Response, error) {
	as := asGet
	if x.r.Method == http.MethodHead {
		as = asHead
	}
	c.keepHeader()
	defer c.unkeepHeader()
	for range maxInterim {
		resp, err := c.readResponse(as)
		if err != nil {
			return nil, err
		}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols:
			if !x.upgrade {
				return nil, errUnasked
			}
			c.unbound()
			return resp, nil
		case resp.StatusCode >= http.StatusOK:
			c.unbound()
			return resp, nil
		case resp.StatusCode > http.StatusContinue && x.takesInterim():
			x.interim(resp)
		}
	}
	return nil, fmt.Errorf("%w: more than %d interim answers", errUnasked, maxInterim)
}

// takesInterim reports whether interim answers may be passed on. In HTTP/2 net/http writes them from the map of the header, for which it
// does not wait where the client resets the stream: to change the map then ends the process. And with Expect the goroutine of the upload
// may be telling the client to go on at any moment, for which net/http has no lock that keeps another interim answer out.
func (x *exchange) takesInterim() bool {
	return x.r.ProtoMajor == 1 && x.r.ProtoMinor > 0 && !(x.body.stream && len(x.r.Header["Expect"]) > 0)
}

func (x *exchange) interim(resp *http.Response) {
	h := x.w.Header()
	final := maps.Clone(h) // such as the end of the connection, which is said of the final answer
	clear(h)
	for name, values := range resp.Header {
		if returned(name, resp.Header["Connection"]) {
			h[name] = values
		}
	}
	x.renewWrite()
	x.w.WriteHeader(resp.StatusCode)
	clear(h)
	maps.Copy(h, final)
}

// answer gives the client the answer. complete tells that all of it was read; an error, that the client did not get all.
func (x *exchange) answer(c *conn, resp *http.Response) (complete bool, outcome balancer.Outcome, err error) {
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		outcome = balancer.Failed
	}
	x.copyHeader(resp.Header)
	var announced []string
	if len(resp.Trailer) > 0 {
		for name := range resp.Trailer {
			if mayTrail(name) {
				announced = append(announced, name)
			}
		}
		x.w.Header()["Trailer"] = []string{strings.Join(announced, ", ")}
	}
	x.status = resp.StatusCode
	x.renewWrite()
	x.w.WriteHeader(resp.StatusCode)
	switch n := resp.ContentLength; {
	case n == 0 || x.r.Method == http.MethodHead || resp.Body == http.NoBody:
		return true, outcome, nil
	case n > 0 && n <= int64(c.r.Buffered()):
		if x.r.ProtoMajor > 1 {
			x.limitWrite()
		}
		b, _ := c.r.Peek(int(n))
		if _, err := x.w.Write(b); err != nil {
			return false, balancer.Abandoned, errClientGone
		}
		_, _ = c.r.Discard(int(n))
		return true, outcome, nil
	}
	if err := x.stream(c, resp); err != nil {
		return false, outcome, err
	}
	for name, values := range resp.Trailer {
		if !mayTrail(name) {
			continue
		}
		if !slices.Contains(announced, name) {
			if x.passOn() != nil { // or net/http may send a short body with its length, without a trailer
				return false, balancer.Abandoned, errClientGone
			}
			name = http.TrailerPrefix + name
		}
		x.w.Header()[name] = values
	}
	return true, outcome, nil
}

// mayTrail reports whether a field may come after the body of an answer.
func mayTrail(name string) bool { return httpguts.ValidTrailerHeader(name) && returned(name, nil) }

// stream passes the body on as it comes, with as long as it takes the server, and the stall timeout for the client. What has come, the
// header too, goes to the client before the server is waited for, and not with each piece: pieces that are there already are one write.
func (x *exchange) stream(c *conn, resp *http.Response) error {
	c.streaming = x
	defer func() { c.streaming = nil }()
	var body io.Reader = resp.Body
	if len(resp.TransferEncoding) > 0 {
		body = &chunks{r: c.r, last: resp.Body}
	}
	buffer := buffers.Get().(*[wholeLimit]byte)
	defer buffers.Put(buffer)
	for {
		x.unlimitWrite()
		n, err := body.Read(buffer[:])
		begun := x.limitWrite()
		if n > 0 {
			if _, err := x.w.Write(buffer[:n]); err != nil {
				return errClientGone
			}
			x.taken += min(int64(n), maxTaken-x.taken)
			x.waited += time.Since(begun)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// passOn gives the client what was written for it.
func (x *exchange) passOn() error {
	begun := x.limitWrite()
	defer x.unlimitWrite()
	if http.NewResponseController(x.w).Flush() != nil {
		return errClientGone
	}
	x.waited += time.Since(begun)
	return nil
}

// A client that reads slowly and steadily takes nothing for a long time as seen from here: its kernel has megabytes for it, and
// opens the window when a large part of them is read. curl with a rate limit reads what there is and then rests for as long as that
// took too little time. So a client that has taken steadyRate on average may pause for longer than one that took nothing.
const (
	steadyRate  = 16 << 10 // bytes a second
	mostPatient = 10       // stall timeouts in addition, at most
	maxTaken    = 1 << 33  // bytes, so that time.Duration holds the result
)

// patience is how long a client may take nothing, of which it has taken so many bytes while it was waited for so long.
func patience(taken int64, waited, stall time.Duration) time.Duration {
	earned := time.Duration(taken)*time.Second/steadyRate - waited
	return stall + max(0, min(earned, mostPatient*stall))
}

// limitWrite begins the time that the client has to take what is written next.
func (x *exchange) limitWrite() time.Time {
	now := time.Now()
	_ = http.NewResponseController(x.w).SetWriteDeadline(now.Add(patience(x.taken, x.waited, x.p.cfg.StallTimeout)))
	return now
}

// renewWrite is for what is written at once, in HTTP/1.1: for a while the deadline that the request began with will do.
func (x *exchange) renewWrite() {
	if x.r.ProtoMajor == 1 && time.Since(x.begun) > x.p.cfg.StallTimeout {
		x.limitWrite()
	}
}

// unlimitWrite is for as long as the server is waited for: in HTTP/2 a deadline ends the exchange when it comes, and not only
// a write.
func (x *exchange) unlimitWrite() {
	if x.r.ProtoMajor > 1 {
		_ = http.NewResponseController(x.w).SetWriteDeadline(time.Time{})
	}
}
