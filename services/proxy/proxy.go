package proxy

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/services/problem"
	"rollcall/services/proxy/clientconn"
	"rollcall/services/proxy/upstream"
	"rollcall/services/registry"
)

// Proxy is an http.Handler that sends requests to live servers. Run must be running while the handler is used. Serve serves the handler on
// a listener.
type Proxy struct {
	cfg      Config
	router   *router
	metrics  *metrics
	log      logger
	evidence chan registry.Evidence
	upstream *upstream.Transport

	membership *registry.Membership // the last one; only for the goroutine of Run

	awake    sweepList
	services atomic.Pointer[map[string]*service] // by name; a new map replaces the stored map, which never changes
	closing  atomic.Bool                         // Serve is stopping: each client connection ends with its next response
	active   sync.WaitGroup                      // requests in flight
	clients  atomic.Pointer[clientconn.Listener] // listener of Serve; nil before Serve
}

// New returns a Proxy that has no servers until Run is called. It fails if cfg is invalid or its metrics cannot be registered.
func New(cfg Config) (*Proxy, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	p := &Proxy{
		cfg:      cfg,
		router:   newRouter(cfg.Routes, cfg.Handlers),
		log:      logger{cfg.Log},
		evidence: make(chan registry.Evidence, 256),
		upstream: &upstream.Transport{
			Dial: cfg.Dial, ConnectTimeout: cfg.ConnectTimeout, ResponseTimeout: cfg.ResponseTimeout, StallTimeout: cfg.StallTimeout,
			IdleTimeout: cfg.IdleTimeout, Drain: cfg.Drain, Tick: cfg.Tick,
		},
	}
	p.services.Store(&map[string]*service{})
	var err error
	p.metrics, err = newMetrics(p, cfg.Metrics)
	return p, err
}

// rest is the length of the pause after an update, as a multiple of the time that the update took. With a pause of twice that time, updates
// use at most a third of one processor, even if a large registry changes all the time. Only the newest membership waits during the pause.
const rest = 2

// Run follows the registry, enforces the timeouts of requests, and reports evidence to the registry. It returns when ctx ends or the
// registry stops. Before it returns, it closes all connections to servers; further requests get a 503. Run must be called only once.
func (p *Proxy) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	others.Go(func() { p.report(ctx) })
	others.Go(func() { p.followLoads(ctx) })
	defer p.closeAll()

	watch := p.cfg.Registry.Watch(ctx)
	tick := time.NewTicker(p.cfg.Tick)
	defer tick.Stop()
	var rested <-chan time.Time
	for {
		updates := watch
		if rested != nil {
			updates = nil // a nil channel blocks: no update during the pause
		}
		select {
		case membership, ok := <-updates:
			if !ok {
				return nil
			}
			begun := time.Now()
			if err := p.update(membership, begun); err != nil {
				return err
			}
			rested = time.After(rest * time.Since(begun))
		case <-rested:
			rested = nil
		case <-tick.C:
			p.tick(time.Now())
		case <-ctx.Done():
			return nil
		}
	}
}

// update applies the changes between the last membership and a new one. Services that did not change cost nothing but a comparison.
func (p *Proxy) update(membership *registry.Membership, now time.Time) error {
	services := *p.services.Load()
	grown := services
	for was, is := range membership.Changes(p.membership) {
		name := cmp.Or(is, was).Name
		s := grown[name]
		if s == nil {
			var err error
			if s, err = p.newService(name); err != nil {
				return err
			}
			if len(grown) == len(services) {
				grown = maps.Clone(services)
			}
			grown[name] = s
		}
		s.update(is, now)
	}
	if len(grown) > len(services) {
		p.services.Store(&grown)
	}
	if membership.Mode == registry.ModeBlind && (p.membership == nil || p.membership.Mode != registry.ModeBlind) {
		// The network of this host may have failed and come back with another address. A request on an old connection would then wait for the
		// whole response timeout.
		for _, s := range grown {
			s.eachInstance(func(in *instance) { in.CloseIdle() })
		}
	}
	p.membership = membership
	return nil
}

// second returns the current second of the retry budgets.
func (p *Proxy) second() int64 { return p.upstream.Now() / int64(time.Second) }

// closeAll closes all connections to servers and ends all requests, because nothing enforces timeouts after Run.
func (p *Proxy) closeAll() {
	services := *p.services.Load()
	p.services.Store(&map[string]*service{})
	for _, s := range services {
		s.close(time.Now())
	}
}

// ServeHTTP sends one request to a server, and sends the response to the client.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.active.Add(1)
	defer p.active.Done()
	if clientconn.AmbiguousFraming(r) || p.closing.Load() {
		clientconn.CloseAfter(w)
	}
	if r.Method == http.MethodOptions && r.RequestURI == "*" {
		p.options(w, r)
		return
	}
	path, id, to := rawPath(r), requestID(r), target{}
	unplain, err := admit(r, path)
	if err == nil {
		to, err = p.router.find(r.Host, path, r.URL.Path, unplain)
	}
	s := (*p.services.Load())[to.service]
	switch {
	case err == nil && to.handler != nil:
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // no deadline of http.Server, because the handler sets its own
		ctx, unwatch := clientconn.Watch(r, p.cfg.Tick)
		defer unwatch()
		to.handler.ServeHTTP(w, r.WithContext(ctx))
	case err == nil && s != nil && p.lacksSlash(r, &to, path):
		p.addSlash(w, r, &to, s, id)
	case err == nil && s != nil:
		p.pass(w, r, to, s, id)
	default:
		err = cmp.Or(err, ErrNoServer)
		p.metrics.refuse(statusOf(err))
		p.refuse(w, r, to.service, err, id, mayLeaveBody(r))
	}
}

// pass sends a valid request to its service.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, to target, s *service, id string) {
	x := &call{
		p: p, service: s, metrics: s.metrics(),
		request: request{r: r, id: id, to: to, websocket: wantsWebsocket(r)},
		body:    body{p: p, w: w, r: r},
		reply:   reply{w: w, r: r, stall: p.cfg.StallTimeout, begun: time.Now()},
	}
	x.request.client, x.request.trusted = p.origin(r)
	x.request.setPrefix(p.cfg.NoRewrite)
	s.inFlight.Add(1)
	err := x.serve()
	s.inFlight.Add(-1)
	status := x.reply.status
	begun := status != 0 // the client has a part of the response
	if !begun && err != nil {
		status = statusOf(err)
	}
	x.metrics.observe(status, time.Since(x.reply.begun))
	if err == nil {
		return
	}
	p.log.failed(x, status, err)
	if begun || status == problem.StatusClientGone {
		panic(http.ErrAbortHandler) // otherwise net/http would complete a partial response, or send a 200 if there is no response
	}
	p.refuse(w, r, s.name, err, id, x.body.unread)
}
