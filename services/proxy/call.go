package proxy

import (
	"errors"
	"net/http"
	"time"

	"rollcall/services/balancer"
	"rollcall/services/proxy/upstream"
)

// MaxRetries is the maximum of Retry.Attempts.
const MaxRetries = 10

// call is one request and its response while they pass through the proxy. Only the goroutine of the handler uses a call, but the goroutine
// of an upload may read call.body.
type call struct {
	p       *Proxy
	service *service
	metrics *serviceMetrics
	request request
	body    body
	reply   reply
	sent    upstream.Request

	endpoint *balancer.Endpoint    // server of the current attempt
	instance *instance             // connections to the server of the current attempt
	attempts []*balancer.Endpoint  // servers of all attempts, including the current attempt
	array    [4]*balancer.Endpoint // backing array of call.attempts, so that the first four attempts need no allocation
}

// serve sends the request to one server after another until a server responds, and sends the response to the client. If serve returns an
// error and reply.status is not 0, the client has received a part of the response.
func (x *call) serve() error {
	x.service.budget.request()
	x.body.unread = mayLeaveBody(x.body.r)
	x.reply.unlimitWrite()
	if x.service.balancer.Stats().Servers == 0 { // checked before body.open, which asks the client to send the body
		return ErrNoServer
	}
	if err := x.body.open(); err != nil {
		return err
	}
	defer x.body.free()
	x.prepare()
	key := uint64(0)
	if x.service.keyed {
		key = x.hashKey()
	}
	x.attempts = x.array[:0]
	f := &upstream.Error{Err: ErrNoServer}
	for {
		e := x.service.balancer.Pick(key, x.attempts)
		if e == nil && f.Stale { // try the same server again: it may be healthy, and no other server is left
			e = x.endpoint
		}
		if e == nil {
			return f.Err
		}
		x.attempts = append(x.attempts, e)
		if f = x.attempt(e); f == nil {
			return nil
		}
		if !x.again(f) {
			return f.Err
		}
	}
}

// prepare sets x.sent, the request for the server. body.open must have been called before.
func (x *call) prepare() {
	r := x.body.r
	x.sent = upstream.Request{
		Method: r.Method, Header: &x.request, Client: &x.reply, Websocket: x.request.websocket,
		Repeatable: isIdempotent(r.Method) && !x.body.stream, Since: x.p.upstream.Now(), Body: x.body.whole, Length: r.ContentLength,
	}
	if x.body.stream {
		x.sent.Stream = &x.body
	}
	x.reply.interim = takesInterim(r, x.body.stream)
}

// isIdempotent reports whether a server may execute a request with this method twice (RFC 9110, 9.2.2). TRACE is idempotent too, but the
// proxy does not accept TRACE.
func isIdempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// again reports whether the proxy may send the request to another server. If so, it takes the retry from the retry budget. A
// request that timed out is not sent again: the first server may be executing it, and another server would probably take as long.
func (x *call) again(f *upstream.Error) bool {
	switch {
	case x.reply.status != 0 || f.Fault == upstream.FaultClient || len(x.attempts) > x.p.cfg.Retry.Attempts:
		return false
	case x.body.r.Context().Err() != nil || x.reply.Gone():
		return false
	case f.Sent && (errors.Is(f.Err, upstream.ErrLate) || f.Received || !x.sent.Repeatable):
		return false
	case time.Duration(x.p.upstream.Now()-x.sent.Since) >= x.p.cfg.ResponseTimeout:
		return false
	}
	if !x.service.budget.take() {
		x.metrics.refused.Inc()
		return false
	}
	x.metrics.retries.Inc()
	return true
}
