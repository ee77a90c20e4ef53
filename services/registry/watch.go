package registry

import "context"

// watcher receives each new membership. The channel has capacity 1 and Run is the only sender, so Run makes room for the new
// membership by taking out the old one.
type watcher chan *Membership

// Watch returns a channel with the current membership and then each new one. If the reader is slow it receives only the
// latest. The channel is closed when ctx ends or the registry stops. Watch blocks until Run accepts the request or ctx ends.
func (r *Registry) Watch(ctx context.Context) <-chan *Membership {
	w := make(watcher, 1)
	enter := func(s *state) {
		r.notifyWatchers() // the new channel w is not a watcher yet, so it does not receive this membership twice
		r.watchers[w] = struct{}{}
		r.notified = s.members()
		w <- r.notified
	}
	select {
	case r.calls <- enter:
		context.AfterFunc(ctx, func() { r.unwatch(w) })
	case <-ctx.Done():
		close(w)
	case <-r.done:
		close(w)
	}
	return w
}

func (r *Registry) unwatch(w watcher) {
	leave := func(*state) {
		delete(r.watchers, w)
		close(w)
	}
	select {
	case r.calls <- leave:
	case <-r.done: // Run has closed w
	}
}

// notifyWatchers sends the membership to every watcher, if the membership has changed since the last call.
func (r *Registry) notifyWatchers() {
	if len(r.watchers) == 0 {
		return
	}
	latest := r.state.members()
	if latest == r.notified {
		return
	}
	r.notified = latest
	for w := range r.watchers {
		select {
		case <-w:
		default:
		}
		w <- latest
	}
}
