package harness

import (
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"rollcall/events"
)

// Poller requests the list, the status and the readiness of an API server ten times a second.
type Poller struct {
	Stop func()
	api  *API

	mu           sync.Mutex
	missingSince map[string]time.Time // time of the first list in which a server was missing, by id
	modes        []events.Mode        // the first mode, and the mode after each change
	unready      int                  // number of responses of /readyz with another status than 200
	unlisted     int                  // number of responses of /v1/servers with another status than 200
	lists        int
}

// StartPoller starts a Poller that expects these servers in every list. The API server must list all of them when StartPoller is called.
func StartPoller(tb testing.TB, a *API, ids []string) *Poller {
	tb.Helper()
	p := &Poller{api: a, missingSince: make(map[string]time.Time)}
	ending, ended := make(chan struct{}), make(chan struct{})
	p.Stop = sync.OnceFunc(func() {
		close(ending)
		<-ended
	})
	tb.Cleanup(p.Stop)
	go func() {
		defer close(ended)
		every := time.NewTicker(100 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				p.poll(ids)
			case <-ending:
				return
			}
		}
	}()
	return p
}

// poll sends each request once. It ignores requests that get no response, because tests pause and stop API servers.
func (p *Poller) poll(ids []string) {
	notReady := p.api.check("/readyz")
	servers, notListed := p.api.servers()
	st, err := p.api.Status()
	now := time.Now()

	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(notReady, ErrStatus) {
		p.unready++
	}
	if errors.Is(notListed, ErrStatus) {
		p.unlisted++
	}
	if err == nil && (len(p.modes) == 0 || p.modes[len(p.modes)-1] != st.Mode) {
		p.modes = append(p.modes, st.Mode)
	}
	if notListed != nil {
		return
	}
	p.lists++
	listed := make(map[string]bool, len(servers))
	for _, s := range servers {
		listed[s.ID] = true
	}
	for _, id := range ids {
		if !listed[id] && p.missingSince[id].IsZero() {
			p.missingSince[id] = now
		}
	}
}

// Missing returns the servers that were missing in a list, by id, with the time of the first list in which each was missing.
func (p *Poller) Missing() map[string]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.missingSince)
}

// CheckUninterrupted fails the test unless every list had all servers except those in dead, and every response of /readyz had the status
// 200.
func (p *Poller) CheckUninterrupted(tb testing.TB, what string, dead ...string) {
	tb.Helper()
	missing := p.Missing()
	for _, id := range dead {
		delete(missing, id)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lists == 0 {
		tb.Fatalf("%s: no request for a list succeeded", what)
	}
	AtMost(tb, what+": live servers missing in a list", len(missing), 0)
	AtMost(tb, what+": lists with another status than 200", p.unlisted, 0)
	AtMost(tb, what+": responses that it is not ready", p.unready, 0)
	tb.Logf("%s: %d lists, modes %v", what, p.lists, p.modes)
}

// SawModes reports whether the API server had these modes in this order. Other modes may lie between them.
func (p *Poller) SawModes(modes ...events.Mode) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.modes {
		if len(modes) > 0 && m == modes[0] {
			modes = modes[1:]
		}
	}
	return len(modes) == 0
}
