package registry

import "context"

// watcher gets each new membership. Its channel holds one membership, and Run is the only sender, so
// taking the old one out makes room for the new one.
type watcher chan *Membership

// Watch returns a channel with the membership of now and then each new one; of several that nobody took
// the latest stays. It is closed when ctx ends or the registry stops. Watch blocks until Run takes the
// request, or ctx ends.
func (r *Registry) Watch(ctx context.Context) <-chan *Membership {
	w := make(watcher, 1)
	enter := func(s *state) {
		r.notifyWatchers() // the others, so that nobody is told the same twice
		r.watchers[w] = struct{}{}
		r.told = s.members()
		w <- r.told
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
	case <-r.done: // Run has closed it
	}
}

// notifyWatchers sends the membership if it is not the one they know.
func (r *Registry) notifyWatchers() {
	if len(r.watchers) == 0 {
		return
	}
	latest := r.state.members()
	if latest == r.told {
		return
	}
	r.told = latest
	for w := range r.watchers {
		select {
		case <-w:
		default:
		}
		w <- latest
	}
}
