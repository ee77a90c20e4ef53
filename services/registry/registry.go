package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall/events"
)

var (
	// ErrStopped is the error of every call after Run has returned.
	ErrStopped = errors.New("registry: stopped")
	// ErrNotFound means that the server is not registered. The error of Explain wraps it.
	ErrNotFound = errors.New("registry: no such server")
)

// Registry is an actor: a mailbox and a goroutine, Run, that owns the state. All methods are safe for concurrent use. Each
// method with a context returns when it has its result, when the context ends, or when Run returns.
type Registry struct {
	mailbox chan message
	calls   chan func(*state)
	ticks   chan tick
	events  chan []events.Event
	probes  chan Probe
	done    chan struct{} // closed when Run has returned

	// Only the goroutine of Run uses the fields below.
	state    *state
	watchers watchers
}

// New returns a registry that is not running, or the error of cfg.Validate.
func New(cfg Config) (*Registry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	return &Registry{
		mailbox: make(chan message, cfg.Mailbox),
		calls:   make(chan func(*state)),
		ticks:   make(chan tick),
		events:  make(chan []events.Event),
		probes:  make(chan Probe),
		done:    make(chan struct{}),

		state:    newState(cfg),
		watchers: newWatchers(),
	}, nil
}

// Observe puts a copy of a heartbeat, a leave or a canary into the mailbox. h must be valid and state its interval and TTL. The caller
// may use h again, but must not change what its slices and its load refer to. Observe returns before h is applied. It blocks while the mailbox is full.
func (r *Registry) Observe(ctx context.Context, h *events.Heartbeat, receipt events.Receipt) error {
	select { // checked first, because the mailbox may have room after Run has returned
	case <-r.done:
		return ErrStopped
	default:
	}
	m := newMessage(h, receipt)
	select { // faster than the next select, which locks three channels
	case r.mailbox <- m:
		return nil
	default:
	}
	select {
	case r.mailbox <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.done:
		return ErrStopped
	}
}

// Tick sets the time and the addresses of the nsqd, in the form that Receipt.Via has. Servers become suspect and expire by
// silence only in Tick. Tick returns after it has applied every heartbeat that was in the mailbox and judged every server that
// is due. If many servers are due, Run judges them in steps, and serves heartbeats and other calls between the steps. The registry keeps
// the slice nsqd, so the caller must not change it afterwards.
func (r *Registry) Tick(ctx context.Context, now time.Time, nsqd []string) error {
	t := tick{now, nsqd, make(chan struct{})}
	select {
	case r.ticks <- t:
	case <-ctx.Done():
		return ctx.Err()
	case <-r.done:
		return ErrStopped
	}
	select {
	case <-t.complete:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.done:
		return ErrStopped
	}
}

// tick is a call of Tick.
type tick struct {
	at       time.Time
	nsqd     []string
	complete chan struct{} // Run closes it when the tick is complete
}

// Probes returns the channel of the probes to send, for one reader, which passes each result to Report. A server is probed at most
// once a second. While the reader does not read, at most one probe of each server waits. The channel is closed when Run returns.
func (r *Registry) Probes() <-chan Probe { return r.probes }

// Report adds evidence about a server. The registry applies it after every heartbeat that was in the mailbox before. Report can
// return before the evidence is applied.
func (r *Registry) Report(ctx context.Context, e Evidence) error {
	select {
	case r.calls <- func(s *state) { s.report(e) }:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.done:
		return ErrStopped
	}
}

// Members returns the current membership. While the membership does not change, the cost does not depend on the number of servers.
func (r *Registry) Members(ctx context.Context) (*Membership, error) {
	return query(ctx, r, (*state).members)
}

// Explain says why a server is in its state. If the server is not registered, the error wraps ErrNotFound and describes how the
// server ended, as far as that is known.
func (r *Registry) Explain(ctx context.Context, service, id string, now time.Time) (*Explanation, error) {
	type result struct {
		found *Explanation
		gone  string
	}
	a, err := query(ctx, r, func(s *state) result {
		found, gone := s.explain(key{service, id}, s.age(now))
		return result{found, gone}
	})
	if err != nil {
		return nil, err
	}
	if a.found == nil {
		return nil, fmt.Errorf("%w: %s/%s: %s", ErrNotFound, service, id, a.gone)
	}
	return a.found, nil
}

// Events returns the channel of all events, in order, for one reader. Each slice has the events that wait, at least one and at most 256;
// the reader owns it. While the reader does not read, events wait in the outbox. The channel is closed when Run returns; Unsent then
// returns the events that still wait.
func (r *Registry) Events() <-chan []events.Event { return r.events }

// Unsent returns the events that were not received. It must be called after Run has returned.
func (r *Registry) Unsent() []events.Event { return r.state.outbox.all() }

// batch is the number of heartbeats that drain may apply before Run serves events, watchers and calls. If more heartbeats than
// batch wait in the mailbox when drain begins, drain may apply as many as wait.
const batch = 512

// Run applies messages until ctx ends. It must be called once, and returns nil.
func (r *Registry) Run(ctx context.Context) error {
	s := r.state
	defer func() {
		r.watchers.close()
		close(r.events)
		close(r.probes)
		close(r.done)
	}()
	var current tick
	ready := make(chan struct{})
	close(ready)
	for {
		ticks, due := r.ticks, chan struct{}(nil)
		if len(s.due) > 0 { // the current tick is not complete
			ticks, due = nil, ready
		}
		var out chan []events.Event // while the outbox is empty, this channel is nil, so the select sends nothing to it
		next := s.outbox.batch()
		if len(next) > 0 {
			out = r.events
		}
		var probes chan Probe // while no probe waits, this channel is nil, so the select sends nothing to it
		probe, wanted := s.nextProbe()
		if wanted {
			probes = r.probes
		}
		select {
		case m := <-r.mailbox:
			s.observe(m)
			r.drain(s)
		case call := <-r.calls:
			r.drain(s)
			call(s)
		case current = <-ticks:
			r.drain(s)
			s.beginTick(current.at, current.nsqd)
			r.judge(s, current)
		case <-due:
			r.drain(s)
			r.judge(s, current)
		case out <- next:
			s.outbox.taken()
		case probes <- probe:
			s.probes.taken(s.clock.last)
		case <-ctx.Done():
			r.drain(s) // NSQ will not deliver these heartbeats again
			return nil
		}
		r.notifyWatchers()
	}
}

// judge judges the next servers that are due at a tick.
func (r *Registry) judge(s *state, t tick) {
	if !s.judgeDue(judgeStep) {
		close(t.complete)
	}
}

// drain applies the waiting heartbeats, so that no lease is judged while a heartbeat that renews the lease waits.
func (r *Registry) drain(s *state) {
	for range max(batch, len(r.mailbox)) {
		select {
		case m := <-r.mailbox:
			s.observe(m)
		default:
			return
		}
	}
}

// query runs the function f in the goroutine of Run and returns the result of f.
func query[T any](ctx context.Context, r *Registry, f func(*state) T) (T, error) {
	reply := make(chan T, 1)
	var none T
	select {
	case r.calls <- func(s *state) { reply <- f(s) }:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-r.done:
		return none, ErrStopped
	}
	select { // Run serves every call that it has received, even when it stops
	case result := <-reply:
		return result, nil
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
