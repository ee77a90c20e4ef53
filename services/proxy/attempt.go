package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/dial"
	"rollcall/services/registry"
)

// attempt sends the request to one server and the answer back to the client. A failure before the client was told
// anything may be followed by another attempt.
func (x *exchange) attempt(e *balancer.Endpoint) *failure {
	x.endpoint, x.pool = e, x.service.pool(e)
	x.beganAt = x.p.clock.Load()
	e.Begin()
	f, outcome := x.try()
	if outcome == balancer.Failed && !x.pool.is(e.Server()) {
		outcome = balancer.Abandoned // the server was restarted since, or moved: it is not the one that failed
	}
	if x.service.balancer.Done(e, outcome, time.Now()) {
		x.p.log.ejected(x.service.name, x.pool.id)
		x.accuse(registry.FindingFailing, x.begun)
	}
	x.metrics.attempt(outcome, f)
	return f
}

// try uses an idle connection, or a new one.
func (x *exchange) try() (*failure, balancer.Outcome) {
	c := x.pool.take()
	if c == nil {
		began := time.Now()
		var err error
		if c, err = x.pool.dial(x.r.Context()); errors.Is(err, errRetired) { // the server was restarted a moment ago, or has left
			x.pool = x.service.pool(x.endpoint)
			c, err = x.pool.dial(x.r.Context())
		}
		if err != nil {
			return x.unconnected(err, began)
		}
	}
	c.begin(x)
	return x.call(c)
}

// unconnected judges a connection that could not be made.
func (x *exchange) unconnected(err error, began time.Time) (*failure, balancer.Outcome) {
	f := &failure{err: fmt.Errorf("%w: %w", errConnect, err)}
	if x.r.Context().Err() != nil {
		f.err = errClientGone
		return f, balancer.Abandoned
	}
	found := dial.By(began.Add(x.p.cfg.ConnectTimeout), dial.Finding(err))
	if found == registry.FindingUnknown || errors.Is(err, errRetired) {
		return f, balancer.Abandoned
	}
	x.accuse(found, began)
	return f, balancer.Failed
}

// call uses a connection for one exchange. The connection is kept, or closed.
func (x *exchange) call(c *conn) (*failure, balancer.Outcome) {
	up := &upload{x: x, c: c}
	resp, err := x.send(c, up)
	if err == nil {
		c.pool.answered(x.p.clock.Load())
	}
	var outcome balancer.Outcome
	complete := false
	switch {
	case err != nil:
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return x.tunnel(c, resp)
	default:
		if up.unread() {
			closeAfter(x.w)
		}
		complete, outcome, err = x.answer(c, resp)
	}
	if err != nil && x.r.Context().Err() != nil { // before the upload is stopped, which ends the context too
		err = errClientGone
	}
	if x.body.stream {
		broken := up.stop(complete) // what the server does not want goes nowhere
		complete = complete && up.full
		if err != nil && broken != nil {
			err = broken
		}
		x.body.unread = up.unread()
	}
	x.sentAt.Store(0)
	if c.release(x) && complete && err == nil && !resp.Close && !c.doubtful && c.clean() {
		c.pool.put(c, time.Now())
	} else {
		c.pool.close(c)
	}
	if err == nil {
		return nil, outcome
	}
	return x.failed(c, err)
}

// send writes the request and reads the header of its answer.
func (x *exchange) send(c *conn, up *upload) (*http.Response, error) {
	if err := x.writeHeader(c.w); err != nil {
		return nil, err
	}
	if x.body.stream {
		_ = c.w.Flush()
		up.start()
	} else {
		x.sentAt.Store(x.awaited)
		_, _ = c.w.Write(x.body.whole)
		_ = c.w.Flush() // a server that refuses a body may have answered all the same
	}
	resp, err := x.readAnswer(c)
	up.heard.Store(true) // before: what the upload stores meanwhile is taken back, by it or here
	x.sentAt.Store(0)
	return resp, err
}

// failed says what an attempt with an error comes to.
func (x *exchange) failed(c *conn, err error) (*failure, balancer.Outcome) {
	if c.heard {
		x.replayable.Store(false)
	}
	why := c.aborted()
	switch {
	case isClients(err):
		return &failure{err: err, sent: true}, balancer.Abandoned
	case errors.Is(why, errLate):
		return &failure{err: why, sent: true}, x.late()
	case why != nil:
		return &failure{err: why, sent: true}, balancer.Abandoned
	}
	f := &failure{err: fmt.Errorf("%w: %w", errBroken, err), sent: true, stale: c.reused && !c.heard}
	if f.stale {
		return f, balancer.Abandoned
	}
	return f, balancer.Failed
}

// lateLimit is how many requests in a row may get no answer in time before the registry is told.
const lateLimit = 5

// late judges a server that did not answer in time. It is no failure of a server that answers something else: the endpoint is
// slow. Nothing else may have been asked of it, so after lateLimit in a row the registry suspects and probes it. Only a
// suspect, which has answered neither requests nor probes, and sent no heartbeat, fails.
func (x *exchange) late() balancer.Outcome {
	l := x.pool
	switch {
	case l.answeredAt.Load() >= x.beganAt:
		l.late.Store(0)
	case x.endpoint.Server().State == events.StateSuspect:
		return balancer.Failed
	case l.late.Add(1) >= lateLimit:
		l.late.Store(0)
		x.accuse(registry.FindingSilent, time.Now())
	}
	return balancer.Abandoned
}

func isClients(err error) bool {
	for _, own := range []error{errClientBody, errClientSlow, errClientGone, errTarget} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}
