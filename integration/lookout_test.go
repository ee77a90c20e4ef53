package integration

import (
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"rollcall/events"
)

// lookout asks an API server a few times a second what a user sees of it.
type lookout struct {
	api  *api
	stop func()

	mu       sync.Mutex
	absent   map[string]time.Time // when a server was first not listed
	modes    []events.Mode        // each change
	unready  int                  // answers of /readyz other than 200
	unlisted int                  // answers of /v1/servers other than 200
	lists    int
}

// watchAPI begins with the servers named, all of which are on the roll.
func watchAPI(tb testing.TB, a *api, ids []string) *lookout {
	tb.Helper()
	l := &lookout{api: a, absent: make(map[string]time.Time)}
	ending, ended := make(chan struct{}), make(chan struct{})
	l.stop = sync.OnceFunc(func() {
		close(ending)
		<-ended
	})
	tb.Cleanup(l.stop)
	go func() {
		defer close(ended)
		every := time.NewTicker(100 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				l.look(ids)
			case <-ending:
				return
			}
		}
	}()
	return l
}

// look takes only answers for what they say: a request that fails has met a process that was stopped or ended.
func (l *lookout) look(ids []string) {
	notReady := l.api.check("/readyz")
	servers, notListed := l.api.servers()
	st, err := l.api.status()
	now := time.Now()

	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(notReady, errRefused) {
		l.unready++
	}
	if errors.Is(notListed, errRefused) {
		l.unlisted++
	}
	if err == nil && (len(l.modes) == 0 || l.modes[len(l.modes)-1] != st.Mode) {
		l.modes = append(l.modes, st.Mode)
	}
	if notListed != nil {
		return
	}
	l.lists++
	listed := make(map[string]bool, len(servers))
	for _, s := range servers {
		listed[s.ID] = true
	}
	for _, id := range ids {
		if !listed[id] && l.absent[id].IsZero() {
			l.absent[id] = now
		}
	}
}

// gone returns when each of the servers was first not listed; those that always were are left out.
func (l *lookout) gone() map[string]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.absent)
}

// served is the row of a user who notices nothing: whoever lives is listed in each answer, and the API server is ready.
func (l *lookout) served(tb testing.TB, what string, dead ...string) {
	tb.Helper()
	gone := l.gone()
	for _, id := range dead {
		delete(gone, id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lists == 0 {
		tb.Fatalf("%s: no list came", what)
	}
	row(tb, what+": live servers missing in a list", len(gone), 0)
	row(tb, what+": lists refused", l.unlisted, 0)
	row(tb, what+": answers not ready", l.unready, 0)
	tb.Logf("%s: %d lists, modes %v", what, l.lists, l.modes)
}

// went tells whether the modes went through these, in this order.
func (l *lookout) went(modes ...events.Mode) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.modes {
		if len(modes) > 0 && m == modes[0] {
			modes = modes[1:]
		}
	}
	return len(modes) == 0
}
