package proxy

import (
	"errors"
	"net/http"
	"time"

	"rollcall/services/balancer"
	"rollcall/services/proxy/upstream"
)

// MaxRetries bounds Retry.Attempts.
const MaxRetries = 10

// call is a request on its way to a server, and the response on its way back. It belongs to the goroutine of its handler.
type call struct {
	p       *Proxy
	service *service
	metrics *serviceMetrics
	request request
	body    body
	reply   reply
	sent    upstream.Request

	endpoint *balancer.Endpoint    // of the attempt
	instance *instance             // of endpoint
	attempts []*balancer.Endpoint  // so far, each with its server
	array    [4]*balancer.Endpoint // of attempts, which seldom are more
}

// serve sends the request to a server and the response to the client. Without an error the client has its response; with one, reply.status
// tells whether the client has a part of it.
func (x *call) serve() error {
	x.service.budget.request()
	x.body.unread = mayLeaveBody(x.body.r)
	x.reply.unlimitWrite()
	if x.service.balancer.Stats().Servers == 0 { // before a client is asked for its body
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
		if e == nil && f.Stale { // the end of an idle connection says nothing of a server, and there is no other server
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

// prepare sets what is sent to servers, once the body is open.
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

func isIdempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// again reports whether the request may be sent once more, and takes that out of the budget. A request that was sent and got no
// response in time is not repeated: the server may be executing it, and the next server would take as long.
func (x *call) again(f *upstream.Error) bool {
	switch {
	case x.reply.status != 0 || f.Fault == upstream.FaultClient || len(x.attempts) > x.p.cfg.Retry.Attempts || x.body.r.Context().Err() != nil:
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
