package proxy

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/events"
	"rollcall/services/problem"
	"rollcall/services/proxy/clientconn"
	"rollcall/services/proxy/upstream"
	"rollcall/services/registry"
)

// Proxy is an http.Handler that sends requests to live servers. Run keeps it up to date; Serve is a front for it.
type Proxy struct {
	cfg      Config
	router   *router
	metrics  *metrics
	log      logger
	evidence chan registry.Evidence
	upstream *upstream.Transport

	// Of Run's goroutine:
	mode    registry.Mode // as last told
	loadsAt time.Time

	services atomic.Pointer[map[string]*service] // by name; the map is replaced, never changed
	closing  atomic.Bool                         // connections of clients end with their next answer
	active   sync.WaitGroup                      // requests
	clients  atomic.Pointer[clientconn.Listener] // nil before Serve
}

// New starts nothing. The error is that of cfg.Validate or of the registration of metrics.
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

// rest is how many times as long as a new membership took the next one waits: a large roll that changes all the time must not
// take a processor for itself. The latest one is the one that waits.
const rest = 2

// Run follows the roll, watches over the requests under way, and reports to the registry what they meet, until ctx ends or
// the registry stops. Then every connection to a server is closed, and requests are answered with 503. It is called once.
func (p *Proxy) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var reporting sync.WaitGroup
	defer reporting.Wait()
	defer cancel()
	reporting.Go(func() { p.report(ctx) })
	defer p.closeAll()

	watch := p.cfg.Registry.Watch(ctx)
	tick := time.NewTicker(p.cfg.Tick)
	defer tick.Stop()
	var rested <-chan time.Time
	for {
		told := watch
		if rested != nil {
			told = nil // never ready
		}
		select {
		case membership, ok := <-told:
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
			p.tick(ctx, time.Now())
		case <-ctx.Done():
			return nil
		}
	}
}

// update takes a new membership. Services are in the order of the membership.
func (p *Proxy) update(membership *registry.Membership, now time.Time) error {
	services := *p.services.Load()
	grown := services
	told := make(map[string]bool, len(services))
	for members := range byService(membership.Servers) {
		name := members[0].Service
		told[name] = true
		s := services[name]
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
		s.update(members, now)
	}
	for name, s := range services {
		if !told[name] {
			s.update(nil, now)
		}
	}
	p.services.Store(&grown)
	if membership.Mode == registry.ModeBlind && p.mode != registry.ModeBlind {
		// It may be the network that is gone, and come back with another address for this host: on a connection from before
		// a request would wait for the whole of its patience.
		for _, s := range grown {
			s.eachInstance(func(in *instance) { in.CloseIdle() })
		}
	}
	p.mode = membership.Mode
	return nil
}

// byService yields the servers of each service. It relies on the order of a membership.
func byService(servers []*events.Server) func(yield func([]*events.Server) bool) {
	return func(yield func([]*events.Server) bool) {
		for first, next := 0, 0; first < len(servers); first = next {
			for next = first; next < len(servers) && servers[next].Service == servers[first].Service; next++ {
			}
			if !yield(servers[first:next:next]) {
				return
			}
		}
	}
}

// tick moves time on. The clock of timeouts counts no pause of this process: what was awaited meanwhile may lie unread.
func (p *Proxy) tick(ctx context.Context, now time.Time) {
	p.upstream.Advance(now)
	services := *p.services.Load()
	left := services
	for name, s := range services {
		s.sweep(now)
		if !s.forgettable(now) {
			continue
		}
		if len(left) == len(services) {
			left = maps.Clone(services)
		}
		delete(left, name)
		p.metrics.forget(s)
	}
	if len(left) < len(services) {
		p.services.Store(&left)
	}
	p.refreshLoads(ctx, now)
}

// second is the one that budgets are at.
func (p *Proxy) second() int64 { return p.upstream.Now() / int64(time.Second) }

// closeAll leaves nothing that a request could wait for: nobody would end it.
func (p *Proxy) closeAll() {
	services := *p.services.Load()
	p.services.Store(&map[string]*service{})
	for _, s := range services {
		s.close(time.Now())
	}
}

// ServeHTTP sends one request to a server and its answer back.
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
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // its own to set
		to.handler.ServeHTTP(w, r)
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

// pass brings a request that is in order to its service.
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
	told := status != 0
	if !told && err != nil {
		status = statusOf(err)
	}
	x.metrics.observe(status, time.Since(x.reply.begun))
	if err == nil {
		return
	}
	p.log.failed(x, status, err)
	if told || status == problem.StatusClientGone {
		panic(http.ErrAbortHandler) // or what the client has would look whole, and nothing at all like a 200
	}
	p.refuse(w, r, s.name, err, id, x.body.unread)
}
