package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall/events"
)

var (
	// ErrStopped is returned by every method once Run has ended.
	ErrStopped = errors.New("registry: stopped")
	// ErrNotFound says that no such server is on the roll.
	ErrNotFound = errors.New("registry: no such server")
)

// Registry is the actor: a mailbox, and a goroutine (Run) that owns the state. All methods are safe for
// concurrent use; each one ends with its answer, with its context, or with ErrStopped.
type Registry struct {
	mailbox chan message
	calls   chan func(*state)
	events  chan events.Event
	probes  chan Probe
	done    chan struct{} // closed when Run has ended

	// Owned by Run's goroutine.
	state    *state
	watchers map[watcher]struct{}
	notified *Membership // what the watchers received last
}

// New starts nothing. The error is that of cfg.Validate.
func New(cfg Config) (*Registry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	return &Registry{
		mailbox: make(chan message, cfg.Mailbox),
		calls:   make(chan func(*state)),
		events:  make(chan events.Event),
		probes:  make(chan Probe),
		done:    make(chan struct{}),

		state:    newState(cfg),
		watchers: make(map[watcher]struct{}),
	}, nil
}

// Observe hands a heartbeat, or a leave, to the registry: one that is valid and states its interval and TTL. Nobody
// may change h from then on. Observe does not wait until it is applied, but blocks while the mailbox is full.
func (r *Registry) Observe(ctx context.Context, h *events.Heartbeat, receipt events.Receipt) error {
	select { // apart from the others: a mailbox with room is no sign of a reader
	case <-r.done:
		return ErrStopped
	default:
	}
	m := newMessage(h, receipt)
	select { // apart from the last: one case locks one channel, three lock three
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

// Tick tells the registry what time it is and which nsqd there are, by the addresses that receipts name. Suspicion
// and expiry by silence come from it alone. It returns when every heartbeat that was in the mailbox before is applied
// and every lease is judged. The registry keeps nsqd; nobody may change it from then on.
func (r *Registry) Tick(ctx context.Context, now time.Time, nsqd []string) error {
	_, err := query(ctx, r, func(s *state) struct{} {
		s.tick(now, nsqd)
		return struct{}{}
	})
	return err
}

// Probes are the questions that the registry wants answered, each by Report: at most one a second about one server. There
// is one reader. While nobody reads, a question waits, once for each server. The channel is closed when Run returns.
func (r *Registry) Probes() <-chan Probe { return r.probes }

// Report hands over what was found out about a server. It returns when the registry has taken it, after every heartbeat that
// was in the mailbox before.
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

// Members returns the membership that q selects. It costs the registry the same whatever the size of
// the roll, as long as the membership does not change; the selection is done by the caller's goroutine.
func (r *Registry) Members(ctx context.Context, q Query) (*Membership, error) {
	membership, err := query(ctx, r, (*state).members)
	if err != nil {
		return nil, err
	}
	return membership.Select(q), nil
}

// List is Members with the vitals of the last tick, for people. The first call after a tick costs the registry
// a walk over the roll. The values belong to the caller.
func (r *Registry) List(ctx context.Context, q Query, now time.Time) (*Membership, error) {
	type answer struct {
		membership *Membership
		vitals     []vitals
	}
	a, err := query(ctx, r, func(s *state) answer { return answer{s.members(), s.currentVitals(s.age(now))} })
	if err != nil {
		return nil, err
	}
	part := a.membership.without()
	for i, srv := range a.membership.Servers {
		if q.Matches(srv) {
			current := *srv
			a.vitals[i].apply(&current)
			part.Servers = append(part.Servers, &current)
		}
	}
	return part, nil
}

// Explain tells why a server is in its state. Where it is not on the roll the error is an ErrNotFound that tells
// what is known of its end.
func (r *Registry) Explain(ctx context.Context, service, id string, now time.Time) (*Explanation, error) {
	type answer struct {
		found *Explanation
		gone  string
	}
	a, err := query(ctx, r, func(s *state) answer {
		found, gone := s.explain(key{service, id}, s.age(now))
		return answer{found, gone}
	})
	if err != nil {
		return nil, err
	}
	if a.found == nil {
		return nil, fmt.Errorf("%w: %s/%s: %s", ErrNotFound, service, id, a.gone)
	}
	return a.found, nil
}

// Events are all transitions, in order. There is one reader: what it takes is its own. While nobody reads they wait
// in the outbox. The channel is closed when Run returns; Unsent has what was left.
func (r *Registry) Events() <-chan events.Event { return r.events }

// Unsent gives the events that nobody took. Call it after Run has returned.
func (r *Registry) Unsent() []events.Event { return r.state.outbox.queue }

// batch bounds how many heartbeats are applied before the events, watchers and calls get their turn.
const batch = 512

// Run owns the roll until ctx ends. It is called once; it returns nil.
func (r *Registry) Run(ctx context.Context) error {
	s := r.state
	defer func() {
		for w := range r.watchers {
			close(w)
		}
		close(r.events)
		close(r.probes)
		close(r.done)
	}()
	for {
		var out chan events.Event // nil, and so never ready, while the outbox is empty
		var next events.Event
		if len(s.outbox.queue) > 0 {
			out, next = r.events, s.outbox.queue[0]
		}
		var probes chan Probe // likewise
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
		case out <- next:
			s.outbox.pop()
		case probes <- probe:
			s.probes.taken(s.clock.last)
		case <-ctx.Done():
			r.drain(s) // they are acked
			return nil
		}
		r.notifyWatchers()
	}
}

// drain applies the heartbeats that wait, so that no lease is judged while the answer is in the mailbox.
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

// query runs f in the registry's goroutine and brings its answer back.
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
	select { // what Run took it answers, even when it stops
	case answer := <-reply:
		return answer, nil
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
