package registry

import "context"

// watchers are the channels that Watch and WatchService returned. Each has capacity 1 and Run is the only sender, so Run makes room for a
// new value by taking out the old one.
type watchers struct {
	all      map[chan *Membership]struct{}
	notified *Membership                 // the newest membership of which the watchers know
	services map[string]*serviceWatchers // by name; only services that have a watcher
}

// serviceWatchers are the channels that WatchService returned for one service.
type serviceWatchers struct {
	channels map[chan *Service]struct{}
	notified *Service // what the channels received last
}

func newWatchers() watchers {
	return watchers{all: make(map[chan *Membership]struct{}), services: make(map[string]*serviceWatchers)}
}

// Watch returns a channel with the current membership and then each new one. If the reader is slow it receives only the
// latest. The channel is closed when ctx ends or the registry stops. Watch blocks until Run accepts the request or ctx ends.
func (r *Registry) Watch(ctx context.Context) <-chan *Membership {
	w := make(chan *Membership, 1)
	enter := func(current *Membership) {
		r.watchers.all[w] = struct{}{}
		w <- current
	}
	leave := func() {
		delete(r.watchers.all, w)
		close(w)
	}
	if !r.watch(ctx, enter, leave) {
		close(w)
	}
	return w
}

// WatchService does what Watch does, but for one service: the channel has its current Service, and then each new one. A nil Service means
// that the service has no servers. Changes of other services do not wake the reader.
func (r *Registry) WatchService(ctx context.Context, name string) <-chan *Service {
	w := make(chan *Service, 1)
	enter := func(current *Membership) {
		of := r.watchers.services[name]
		if of == nil {
			of = &serviceWatchers{make(map[chan *Service]struct{}), current.Service(name)}
			r.watchers.services[name] = of
		}
		of.channels[w] = struct{}{}
		w <- of.notified
	}
	leave := func() {
		of := r.watchers.services[name]
		if delete(of.channels, w); len(of.channels) == 0 {
			delete(r.watchers.services, name)
		}
		close(w)
	}
	if !r.watch(ctx, enter, leave) {
		close(w)
	}
	return w
}

// The method watch adds a watcher, and removes it when ctx ends. Run calls enter with the current membership, and later calls leave unless
// Run has returned. If neither enter nor leave will be called, the result is false.
func (r *Registry) watch(ctx context.Context, enter func(*Membership), leave func()) bool {
	select {
	case r.calls <- func(s *state) {
		r.notifyWatchers() // the new watcher is not in r.watchers yet, so it does not receive this membership twice
		r.watchers.notified = s.members()
		enter(r.watchers.notified)
	}:
	case <-ctx.Done():
		return false
	case <-r.done:
		return false
	}
	context.AfterFunc(ctx, func() {
		select {
		case r.calls <- func(*state) { leave() }:
		case <-r.done: // Run has closed the channel
		}
	})
	return true
}

// notifyWatchers sends the membership to every watcher, if the membership has changed since the last call, and the services that have
// changed to their watchers. The cost does not depend on the number of services that are watched.
func (r *Registry) notifyWatchers() {
	s, w := r.state, &r.watchers
	if len(w.all) > 0 || len(w.services) > 0 {
		w.notify(s.members(), s.relisted)
	}
	clear(s.relisted)
	s.relisted = s.relisted[:0]
}

// The parameter changed has the names of all services that have changed since w.notified. It may have more names.
func (w *watchers) notify(latest *Membership, changed []string) {
	if latest == w.notified {
		return
	}
	w.notified = latest
	for ch := range w.all {
		replace(ch, latest)
	}
	for _, name := range changed {
		of := w.services[name]
		if of == nil {
			continue
		}
		is := latest.Service(name)
		if is == of.notified {
			continue
		}
		of.notified = is
		for ch := range of.channels {
			replace(ch, is)
		}
	}
}

// replace sends v, and takes out the value that the reader has not received.
func replace[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}

func (w *watchers) close() {
	for ch := range w.all {
		close(ch)
	}
	for _, of := range w.services {
		for ch := range of.channels {
			close(ch)
		}
	}
}
