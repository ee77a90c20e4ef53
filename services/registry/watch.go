package registry

import "context"

// watcher receives memberships. The channel has capacity 1 and Run is the only sender, so Run makes room for a new membership by taking out
// the old one.
type watcher chan *Membership

func (w watcher) send(m *Membership) {
	select {
	case <-w:
	default:
	}
	w <- m
}

// watchers are the channels that Watch and WatchService returned.
type watchers struct {
	all      map[watcher]struct{}
	notified *Membership                 // the newest membership of which the watchers know
	services map[string]*serviceWatchers // by name; only services that have a watcher
}

// serviceWatchers are the channels that WatchService returned for one service.
type serviceWatchers struct {
	channels map[watcher]struct{}
	notified *Service // the service in the membership that the channels received last
}

func newWatchers() watchers {
	return watchers{all: make(map[watcher]struct{}), services: make(map[string]*serviceWatchers)}
}

// Watch returns a channel with the current membership and then each new one. If the reader is slow it receives only the
// latest. The channel is closed when ctx ends or the registry stops. Watch blocks until Run accepts the request or ctx ends.
func (r *Registry) Watch(ctx context.Context) <-chan *Membership {
	w := make(watcher, 1)
	r.watch(ctx, w, func() {
		r.watchers.all[w] = struct{}{}
	}, func() {
		delete(r.watchers.all, w)
	})
	return w
}

// WatchService does what Watch does, but for one service: after the current membership, the channel has each new membership in which this
// service has changed. Changes of other services do not wake the reader.
func (r *Registry) WatchService(ctx context.Context, name string) <-chan *Membership {
	w := make(watcher, 1)
	r.watch(ctx, w, func() {
		of := r.watchers.services[name]
		if of == nil {
			of = &serviceWatchers{make(map[watcher]struct{}), r.watchers.notified.Service(name)}
			r.watchers.services[name] = of
		}
		of.channels[w] = struct{}{}
	}, func() {
		of := r.watchers.services[name]
		if delete(of.channels, w); len(of.channels) == 0 {
			delete(r.watchers.services, name)
		}
	})
	return w
}

// The method watch sends the current membership to w. It calls enter, which adds w to the watchers, and when ctx ends leave, which removes w.
// Both run in the goroutine of Run.
func (r *Registry) watch(ctx context.Context, w watcher, enter, leave func()) {
	select {
	case r.calls <- func(s *state) {
		r.notifyWatchers() // w is not one of the watchers yet, so it does not receive this membership twice
		r.watchers.notified = s.members()
		enter()
		w <- r.watchers.notified
	}:
	case <-ctx.Done():
		close(w)
		return
	case <-r.done:
		close(w)
		return
	}
	context.AfterFunc(ctx, func() {
		select {
		case r.calls <- func(*state) { leave(); close(w) }:
		case <-r.done: // Run has closed w
		}
	})
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
	for one := range w.all {
		one.send(latest)
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
		for one := range of.channels {
			one.send(latest)
		}
	}
}

func (w *watchers) close() {
	for one := range w.all {
		close(one)
	}
	for _, of := range w.services {
		for one := range of.channels {
			close(one)
		}
	}
}
