package harness

import (
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"rollcall/events"
)

// Poller asks an API server a few times a second what a user sees of it.
type Poller struct {
	api  *API
	Stop func()

	mu           sync.Mutex
	missingSince map[string]time.Time // when a server was first not listed
	modes        []events.Mode        // each change
	unready      int                  // answers of /readyz other than 200
	unlisted     int                  // answers of /v1/servers other than 200
	lists        int
}

// StartPoller begins with the servers named, all of which are on the roll.
func StartPoller(tb testing.TB, a *API, ids []string) *Poller {
	tb.Helper()
	l := &Poller{api: a, missingSince: make(map[string]time.Time)}
	ending, ended := make(chan struct{}), make(chan struct{})
	l.Stop = sync.OnceFunc(func() {
		close(ending)
		<-ended
	})
	tb.Cleanup(l.Stop)
	go func() {
		defer close(ended)
		every := time.NewTicker(100 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				l.poll(ids)
			case <-ending:
				return
			}
		}
	}()
	return l
}

// poll takes only answers for what they say: a request that fails has met a process that was stopped or ended.
func (l *Poller) poll(ids []string) {
	notReady := l.api.check("/readyz")
	servers, notListed := l.api.servers()
	st, err := l.api.Status()
	now := time.Now()

	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(notReady, ErrStatus) {
		l.unready++
	}
	if errors.Is(notListed, ErrStatus) {
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
		if !listed[id] && l.missingSince[id].IsZero() {
			l.missingSince[id] = now
		}
	}
}

// Missing returns when each of the servers was first not listed; those that always were are left out.
func (l *Poller) Missing() map[string]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.missingSince)
}

// NoneMissing is the row of a user who notices nothing: whoever lives is listed in each answer, and the API server is ready.
func (l *Poller) NoneMissing(tb testing.TB, what string, dead ...string) {
	tb.Helper()
	gone := l.Missing()
	for _, id := range dead {
		delete(gone, id)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lists == 0 {
		tb.Fatalf("%s: no list came", what)
	}
	AtMost(tb, what+": live servers missing in a list", len(gone), 0)
	AtMost(tb, what+": lists refused", l.unlisted, 0)
	AtMost(tb, what+": answers not ready", l.unready, 0)
	tb.Logf("%s: %d lists, modes %v", what, l.lists, l.modes)
}

// SawModes tells whether the modes went through these, in this order.
func (l *Poller) SawModes(modes ...events.Mode) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.modes {
		if len(modes) > 0 && m == modes[0] {
			modes = modes[1:]
		}
	}
	return len(modes) == 0
}
