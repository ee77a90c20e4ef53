package integration

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
)

const (
	proxied = 20                      // data servers behind a proxy
	settle  = 1500 * time.Millisecond // of a load, before a fault tells something
)

// proxiedSite is a site with data servers behind the proxy of an API server.
type proxiedSite struct {
	*site
	api     *apiProcess
	ids     []string
	addrs   []string // which a restart keeps
	running []*process
}

// newProxied returns when every server is listed.
func newProxied(t *testing.T) *proxiedSite {
	t.Helper()
	s := newSite(t, 2)
	p := &proxiedSite{site: s, api: s.api("api-1")}
	for i := range proxied {
		p.ids, p.addrs = append(p.ids, fmt.Sprintf("server-%02d", i)), append(p.addrs, freeAddr(t))
		p.running = append(p.running, s.dataServer(p.ids[i], p.addrs[i]))
	}
	p.api.await(t, 20*time.Second, "every server is listed", func() bool { return p.api.lists(p.ids...) })
	return p
}

func (p *proxiedSite) load(t *testing.T, methods ...string) *load {
	t.Helper()
	return startLoad(t, loadSpec{Proxies: []string{p.api.proxy}, Methods: methods, Body: []byte("a body that nobody reads")})
}

// TestProxyUnderLoad is not parallel: what it measures is short.
func TestProxyUnderLoad(t *testing.T) {
	p := newProxied(t)
	t.Run("servers leave", p.serversLeave)
	t.Run("a server is killed", p.serverIsKilled)
	t.Run("slow clients", p.slowClients)
	p.noFalse("proxy under load", p.api)
}

// serversLeave ends the first five.
func (p *proxiedSite) serversLeave(t *testing.T) {
	const (
		leave = 5
		limit = 300 * time.Millisecond
	)
	l := p.load(t, http.MethodGet, http.MethodGet, http.MethodPost)
	pass(settle)
	asked := make(map[string]time.Time)
	for i := range leave {
		asked[p.ids[i]] = p.witness.dies(p.ids[i])
		p.running[i].signal(syscall.SIGTERM)
		pass(200 * time.Millisecond)
	}
	pass(2 * time.Second) // by then they have ended
	l.faultless(t, "SIGTERM under load")
	var took []time.Duration
	for id, at := range asked {
		last := l.lastBy(id)
		if last.IsZero() {
			t.Errorf("%s has answered nothing", id)
		}
		took = append(took, max(0, last.Sub(at)))
	}
	rowOf(t, "unroutable after SIGTERM", took, 99, limit)
}

func (p *proxiedSite) serverIsKilled(t *testing.T) {
	const (
		limit = time.Second
		again = 7 * time.Second // an ejection is over after 5
		floor = 50 * time.Millisecond
	)
	l := p.load(t)
	pass(settle)
	retries := p.api.count(t, retriesMetric)
	killed := p.witness.dies(p.ids[proxied-1])
	p.running[proxied-1].kill()
	tried := killed // the last time that somebody did, and had to try another one
	every(20*time.Millisecond, again, func() {
		if now := p.api.count(t, retriesMetric); now > retries {
			retries, tried = now, time.Now()
		}
	})
	l.faultless(t, "SIGKILL under load")
	if tried.Equal(killed) {
		t.Error("nobody had to try another server")
	}
	row(t, "unroutable after SIGKILL", tried.Sub(killed), limit)
	rowOfOthers(t, "SIGKILL under load: latency", l.between(time.Time{}, killed), l.between(killed, killed.Add(again)), floor)
}

// rowOfOthers is the row of a fault that must not slow down the requests which it does not concern: to no more than twice
// of what is usual, or to floor, since two cores do everything here.
func rowOfOthers(t *testing.T, what string, usually, meanwhile []sample, floor time.Duration) {
	t.Helper()
	usual := quantile(usually, 99)
	rowOf(t, fmt.Sprintf("%s, of which p99 is usually %v", what, usual), latencies(meanwhile), 99, max(2*usual, floor))
}

// A server that is stopped takes requests and answers none, until its lease is over; then they are tried elsewhere.
func TestServerStandsUnderLoad(t *testing.T) {
	t.Parallel()
	const (
		limit  = 10500 * time.Millisecond
		caught = 20 // requests
		slow   = time.Second
		floor  = slow / 4 // other rows run meanwhile
	)
	p := newProxied(t)
	p.calm(p.api)
	l := p.load(t)
	pass(settle)
	stopped := p.witness.dies(p.ids[0])
	p.running[0].signal(syscall.SIGSTOP)
	rowOf(t, "gone after SIGSTOP under load", p.witness.delaysOf(t, 15*time.Second, events.TypeExpired, p.ids[:1]), 100, limit)
	pass(settle)
	l.faultless(t, "SIGSTOP under load")

	var stood []sample
	before := stopped.Add(-100 * time.Millisecond) // a request takes less
	others := l.between(before, time.Now())
	for i := 0; i < len(others); {
		if others[i].took < slow {
			i++
			continue
		}
		stood = append(stood, others[i])
		others[i] = others[len(others)-1]
		others = others[:len(others)-1]
	}
	row(t, fmt.Sprintf("SIGSTOP under load: requests that it caught, the slowest for %v", quantile(stood, 100)), len(stood), caught)
	rowOfOthers(t, "SIGSTOP under load: latency of others", l.between(time.Time{}, before), others, floor)
	p.noFalse("SIGSTOP under load", p.api)
}

func TestRollingRestartUnderLoad(t *testing.T) {
	t.Parallel()
	p := newProxied(t)
	requests := 0 // at least; each server is restarted once, or more often
	if isLong() {
		requests = 100_000
	}
	l := p.load(t, http.MethodGet, http.MethodGet, http.MethodPost)
	pass(settle)
	restarts := 0
	for restarts == 0 || len(l.all()) < requests {
		for i, id := range p.ids {
			p.running[i].end()
			p.running[i] = p.dataServer(id, p.addrs[i])
			p.api.await(t, 10*time.Second, id+" is listed again", func() bool { return p.api.lists(id) })
			restarts++
		}
	}
	t.Logf("%d restarts", restarts)
	pass(settle)
	l.faultless(t, "rolling restart")
	for _, id := range p.ids {
		if l.lastBy(id).IsZero() {
			t.Errorf("%s has answered nothing", id)
		}
	}
	p.noFalse("rolling restart", p.api)
}

// A client that has the addresses of several API servers notices nothing of the end of one. It is not parallel: it
// wants both cores.
func TestAPIServerEndsUnderLoad(t *testing.T) {
	const limit = 10 * time.Second
	p := newProxied(t)
	ends := 2
	if isLong() {
		ends = 5
	}
	apis, proxies := []*apiProcess{p.api}, []string{p.api.proxy}
	for i := range ends {
		other := p.site.api(fmt.Sprintf("api-%d", i+2))
		other.await(t, 20*time.Second, "every server is listed", func() bool { return other.lists(p.ids...) })
		apis, proxies = append(apis, other), append(proxies, other.proxy)
	}
	l := startLoad(t, loadSpec{Proxies: proxies, Rate: usualRate * len(proxies)}) // each has its share
	pass(settle)
	for _, a := range apis[:ends] {
		passedOver, asked := l.passedOver.Load(), time.Now()
		a.end()
		row(t, "end after SIGTERM under load", time.Since(asked), limit)
		if code := a.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("it ended with %d, want 0; the log:\n%s", code, a.log.tail(20))
		}
		pass(settle / 3)
		if l.passedOver.Load() == passedOver {
			t.Error("no request was passed on to another API server")
		}
	}
	l.faultless(t, "API servers end under load")
	p.noFalse("API servers end under load", apis[ends])
}
