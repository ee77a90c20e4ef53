package proxy

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"rollcall/services/balancer"
)

// MaxRetries bounds Config.Retries.
const MaxRetries = 10

// exchange is a request and what becomes of it. It belongs to the goroutine of its handler; the sweep looks at r and the
// fields that say so.
type exchange struct {
	p         *Proxy
	w         http.ResponseWriter
	r         *http.Request
	begun     time.Time
	awaited   int64 // when the first attempt began, by Proxy.clock: the response timeout runs from here over all attempts
	requestID string
	client    string // its IP address
	trusted   bool   // the connection is from a trusted proxy
	to        target
	rewrites  bool   // paths in the header of the answer become those of the client
	prefix    string // of the client's path that the server does not see
	outer     string // what a trusted proxy has stripped before that
	service   *service
	metrics   *serviceMetrics
	upgrade   bool
	body      body

	endpoint *balancer.Endpoint    // of the attempt
	pool     *pool                 // its connections
	attempts []*balancer.Endpoint  // so far, each with its server
	array    [4]*balancer.Endpoint // of attempts, which seldom are more
	taken    int64                 // bytes of the answer that went to the client as they came, up to maxTaken
	waited   time.Duration         // how long the client was waited for in this
	beganAt  int64                 // when the attempt began, by Proxy.clock
	status   int                   // what the client was told; 0: nothing yet

	// The sweep's too; moments are of Proxy.clock:
	replayable atomic.Bool  // it may be sent again after it was sent
	sentAt     atomic.Int64 // from when the response timeout runs, while an answer is awaited; 0: none is awaited
	movedAt    atomic.Int64 // when the server last took a part of the body; 0: there is none on the way
}

// overdue is why the exchange should end, or nil. retired is when its server left; zero: it is here.
func (x *exchange) overdue(now time.Time, retired time.Time) error {
	since := func(at *atomic.Int64) time.Duration {
		if t := at.Load(); t != 0 {
			return time.Duration(x.p.clock.Load()-t) - x.p.cfg.Tick // the clock is as old as its last tick
		}
		return 0
	}
	switch {
	case x.r.Context().Err() != nil:
		return errClientGone
	case since(&x.sentAt) > x.p.cfg.ResponseTimeout, since(&x.movedAt) > x.p.cfg.StallTimeout:
		return errLate
	case !retired.IsZero() && now.Sub(retired) > max(0, x.p.cfg.Drain):
		return errDrained
	}
	return nil
}

// What ends an attempt, or a request.
var (
	errClientGone = errors.New("the client is gone")
	errClientBody = errors.New("the body of the request is broken")
	errClientSlow = errors.New("the body of the request did not come in time")
	errConnect    = errors.New("no connection to the server")
	errBroken     = errors.New("the server broke off")
	errUnasked    = errors.New("the server answered what was not asked")
	errLate       = errors.New("the server did not answer in time")
	errDead       = errors.New("the server died before it answered")
	errDrained    = errors.New("the server left before it had answered")
)

// failure is an attempt that came to nothing.
type failure struct {
	err   error
	sent  bool // a byte may have reached the server
	stale bool // on a connection that was idle, without a byte of an answer: the server may have closed it before
}

// serve brings the request to a server and the answer back. Without an error the client has its answer; with one, x.status tells
// whether it has a part of it.
func (x *exchange) serve() error {
	x.service.budget.request()
	x.body.unread = mayLeaveBody(x.r)
	x.unlimitWrite()
	if x.service.balancer.Stats().Servers == 0 { // before a client is asked for its body
		return ErrNoServer
	}
	if err := x.readBody(); err != nil {
		return err
	}
	defer x.body.free()
	key := uint64(0)
	if x.service.keyed {
		key = x.hashKey()
	}
	x.attempts = x.array[:0]
	x.awaited = x.p.clock.Load()
	f := &failure{err: ErrNoServer}
	for {
		e := x.service.balancer.Pick(key, x.attempts)
		if e == nil && f.stale { // its end of an idle connection says nothing of a server, and there is no other one
			e = x.endpoint
		}
		if e == nil {
			return f.err
		}
		x.attempts = append(x.attempts, e)
		if f = x.attempt(e); f == nil {
			return nil
		}
		if !x.again(f) {
			return f.err
		}
	}
}

// again reports whether the request may be sent once more, and takes that out of the budget. A request that was sent and got no
// answer in time is not repeated: the server may be executing it, and the next server would take as long.
func (x *exchange) again(f *failure) bool {
	switch {
	case x.status != 0 || isClients(f.err) || len(x.attempts) > x.p.cfg.Retries || x.r.Context().Err() != nil:
		return false
	case f.sent && (errors.Is(f.err, errLate) || !x.replayable.Load()):
		return false
	case time.Duration(x.p.clock.Load()-x.awaited) >= x.p.cfg.ResponseTimeout:
		return false
	}
	if !x.service.budget.take() {
		x.metrics.refused.Inc()
		return false
	}
	x.metrics.retries.Inc()
	return true
}
