package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"rollcall/services/balancer"
	"rollcall/services/proxy/clientconn"
	"rollcall/services/proxy/upstream"
	"rollcall/services/registry"
)

// attempt sends the request to one server and the response to the client. It returns nil if the client has the whole response.
func (x *call) attempt(e *balancer.Endpoint) *upstream.Error {
	x.endpoint, x.instance, x.request.server = e, x.service.instance(e), e.Server()
	began := x.p.upstream.Now()
	e.Begin()
	outcome, f := x.try(began)
	if outcome == balancer.Failed && !x.instance.is(e.Server()) {
		outcome = balancer.Abandoned // the server restarted or moved during the attempt, so the failure does not concern its new instance
	}
	if x.service.balancer.Done(e, outcome, time.Now()) {
		x.p.log.ejected(x.service.name, x.instance.id)
		x.service.accuse(x.instance, registry.FindingFailing, x.reply.begun)
	}
	x.metrics.attempt(outcome, f)
	return f
}

// try sends the request to the server and the response to the client. It returns the outcome for the balancer, and the error or nil.
func (x *call) try(began int64) (balancer.Outcome, *upstream.Error) {
	ctx := x.body.r.Context()
	resp, err := x.instance.Do(ctx, &x.sent)
	if errors.Is(err, upstream.ErrRetired) { // the server restarted or left after it was chosen
		x.instance, x.request.server = x.service.instance(x.endpoint), x.endpoint.Server()
		resp, err = x.instance.Do(ctx, &x.sent)
	}
	outcome := balancer.Answered
	if err == nil {
		x.instance.responded(x.p.upstream.Now())
		outcome, err = x.deliver(resp)
	}
	if x.body.stream {
		x.body.settle()
	}
	if f, failed := errors.AsType[*upstream.Error](err); failed {
		return x.judge(f, began), f
	}
	return outcome, nil
}

// deliver sends the response to the client.
func (x *call) deliver(resp *upstream.Response) (balancer.Outcome, error) {
	outcome := balancer.Answered
	switch resp.StatusCode {
	case http.StatusSwitchingProtocols:
		return outcome, x.tunnel(resp)
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		outcome = balancer.Failed
	}
	if x.body.stream && x.body.uploading() && mayLeaveBody(x.body.r) {
		clientconn.CloseAfter(x.reply.w) // otherwise net/http would read the unread rest of the body as the next request
	}
	x.request.copyHeader(x.reply.w.Header(), resp.Header)
	return outcome, resp.Close(x.reply.send(resp))
}

// tunnel sends the response of 101 to the client. Then it copies bytes between the client and the server until the websocket ends.
func (x *call) tunnel(resp *upstream.Response) error {
	client, buffered, err := http.NewResponseController(x.reply.w).Hijack()
	if err != nil {
		return resp.Close(fmt.Errorf("hijack: %w", err))
	}
	defer client.Close()
	x.reply.status = resp.StatusCode
	x.request.copyHeader(x.reply.w.Header(), resp.Header)
	_ = client.SetDeadline(time.Now().Add(x.p.cfg.StallTimeout))
	if err := x.reply.switchProtocols(client); err != nil {
		return resp.Close(upstream.ErrClientGone)
	}
	_ = client.SetDeadline(time.Time{})
	resp.Tunnel(client, io.LimitReader(buffered, int64(buffered.Reader.Buffered())))
	return nil
}

// judge returns the outcome of a failed attempt, for the balancer. f is the error of the attempt, and began is its start, as a value of
// Transport.Now. After a failed connect, and after lateLimit timeouts in a row, judge reports evidence against the server to the registry.
func (x *call) judge(f *upstream.Error, began int64) balancer.Outcome {
	switch {
	case f.Fault != upstream.FaultServer:
		return balancer.Abandoned
	case errors.Is(f.Err, upstream.ErrLate):
		outcome, report := x.instance.timedOut(x.endpoint.Server().State, began)
		if report {
			x.service.accuse(x.instance, registry.FindingSilent, time.Now())
		}
		return outcome
	case f.Finding != "":
		x.service.accuse(x.instance, f.Finding, f.Began)
	}
	return balancer.Failed
}
