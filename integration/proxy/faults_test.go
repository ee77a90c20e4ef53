package proxy

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

const (
	serverCount = 20                      // data servers behind a proxy
	loadTime    = 1500 * time.Millisecond // of a load, before a fault tells something
)

// proxySite is a site with data servers behind the proxy of an API server.
type proxySite struct {
	*harness.Site
	api     *harness.APIServer
	ids     []string
	addrs   []string // which a restart keeps
	running []*harness.Process
}

// newProxySite returns when every server is listed.
func newProxySite(t *testing.T) *proxySite {
	t.Helper()
	s := harness.NewSite(t, 2)
	p := &proxySite{Site: s, api: s.StartAPI("api-1")}
	for i := range serverCount {
		p.ids, p.addrs = append(p.ids, fmt.Sprintf("server-%02d", i)), append(p.addrs, fixture.FreeAddr(t))
		p.running = append(p.running, s.StartDataServer(p.ids[i], p.addrs[i]))
	}
	p.api.Await(t, 20*time.Second, "every server is listed", func() bool { return p.api.Lists(p.ids...) })
	return p
}

func (p *proxySite) load(t *testing.T, methods ...string) *harness.Load {
	t.Helper()
	return harness.StartLoad(t, harness.LoadSpec{Proxies: []string{p.api.Proxy}, Methods: methods, Body: []byte("a body that nobody reads")})
}

// TestProxyUnderLoad is not parallel: what it measures is short.
func TestProxyUnderLoad(t *testing.T) {
	p := newProxySite(t)
	t.Run("servers leave", p.serversLeave)
	t.Run("a server is killed", p.serverIsKilled)
	t.Run("slow clients", p.slowClients)
	p.NoFalseExpiries("proxy under load", p.api)
}

// serversLeave ends the first five.
func (p *proxySite) serversLeave(t *testing.T) {
	const (
		leave = 5
		limit = 300 * time.Millisecond
	)
	l := p.load(t, http.MethodGet, http.MethodGet, http.MethodPost)
	fixture.Sleep(loadTime)
	asked := make(map[string]time.Time)
	for i := range leave {
		asked[p.ids[i]] = p.Events.MarkDead(p.ids[i])
		p.running[i].Signal(syscall.SIGTERM)
		fixture.Sleep(200 * time.Millisecond)
	}
	fixture.Sleep(2 * time.Second) // by then they have ended
	l.NoFailures(t, "SIGTERM under load")
	var took []time.Duration
	for id, at := range asked {
		last := l.LastServedBy(id)
		if last.IsZero() {
			t.Errorf("%s has answered nothing", id)
		}
		took = append(took, max(0, last.Sub(at)))
	}
	harness.PercentileAtMost(t, "unroutable after SIGTERM", took, 99, limit)
}

func (p *proxySite) serverIsKilled(t *testing.T) {
	const (
		limit = time.Second
		again = 7 * time.Second // an ejection is over after 5
		floor = 50 * time.Millisecond
	)
	l := p.load(t)
	fixture.Sleep(loadTime)
	retries := p.api.Count(t, harness.RetriesMetric)
	killed := p.Events.MarkDead(p.ids[serverCount-1])
	p.running[serverCount-1].Kill()
	tried := killed // the last time that somebody did, and had to try another one
	harness.Every(20*time.Millisecond, again, func() {
		if now := p.api.Count(t, harness.RetriesMetric); now > retries {
			retries, tried = now, time.Now()
		}
	})
	l.NoFailures(t, "SIGKILL under load")
	if tried.Equal(killed) {
		t.Error("nobody had to try another server")
	}
	harness.AtMost(t, "unroutable after SIGKILL", tried.Sub(killed), limit)
	othersAtMost(t, "SIGKILL under load: latency", l.Between(time.Time{}, killed), l.Between(killed, killed.Add(again)), floor)
}

// othersAtMost is the row of a fault that must not slow down the requests which it does not concern: to no more than twice
// of what is usual, or to floor, since two cores do everything here.
func othersAtMost(t *testing.T, what string, usually, meanwhile []harness.Sample, floor time.Duration) {
	t.Helper()
	usual := harness.Quantile(usually, 99)
	harness.PercentileAtMost(t, fmt.Sprintf("%s, of which p99 is usually %v", what, usual), harness.Latencies(meanwhile), 99, max(2*usual, floor))
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
	p := newProxySite(t)
	p.AwaitNormal(p.api)
	l := p.load(t)
	fixture.Sleep(loadTime)
	stopped := p.Events.MarkDead(p.ids[0])
	p.running[0].Signal(syscall.SIGSTOP)
	harness.PercentileAtMost(t, "gone after SIGSTOP under load", p.Events.DelaysOf(t, 15*time.Second, events.TypeExpired, p.ids[:1]), 100, limit)
	fixture.Sleep(loadTime)
	l.NoFailures(t, "SIGSTOP under load")

	var stood []harness.Sample
	before := stopped.Add(-100 * time.Millisecond) // a request takes less
	others := l.Between(before, time.Now())
	for i := 0; i < len(others); {
		if others[i].Took < slow {
			i++
			continue
		}
		stood = append(stood, others[i])
		others[i] = others[len(others)-1]
		others = others[:len(others)-1]
	}
	harness.AtMost(t, fmt.Sprintf("SIGSTOP under load: requests that it caught, the slowest for %v", harness.Quantile(stood, 100)), len(stood), caught)
	othersAtMost(t, "SIGSTOP under load: latency of others", l.Between(time.Time{}, before), others, floor)
	p.NoFalseExpiries("SIGSTOP under load", p.api)
}

func TestRollingRestartUnderLoad(t *testing.T) {
	t.Parallel()
	p := newProxySite(t)
	requests := 0 // at least; each server is restarted once, or more often
	if harness.Long() {
		requests = 100_000
	}
	l := p.load(t, http.MethodGet, http.MethodGet, http.MethodPost)
	fixture.Sleep(loadTime)
	restarts := 0
	for restarts == 0 || len(l.All()) < requests {
		for i, id := range p.ids {
			p.running[i].Terminate()
			p.running[i] = p.StartDataServer(id, p.addrs[i])
			p.api.Await(t, 10*time.Second, id+" is listed again", func() bool { return p.api.Lists(id) })
			restarts++
		}
	}
	t.Logf("%d restarts", restarts)
	fixture.Sleep(loadTime)
	l.NoFailures(t, "rolling restart")
	for _, id := range p.ids {
		if l.LastServedBy(id).IsZero() {
			t.Errorf("%s has answered nothing", id)
		}
	}
	p.NoFalseExpiries("rolling restart", p.api)
}

// A client that has the addresses of several API servers notices nothing of the end of one. It is not parallel: it
// wants both cores.
func TestAPIServerEndsUnderLoad(t *testing.T) {
	const limit = 10 * time.Second
	p := newProxySite(t)
	ends := 2
	if harness.Long() {
		ends = 5
	}
	apis, proxies := []*harness.APIServer{p.api}, []string{p.api.Proxy}
	for i := range ends {
		other := p.Site.StartAPI(fmt.Sprintf("api-%d", i+2))
		other.Await(t, 20*time.Second, "every server is listed", func() bool { return other.Lists(p.ids...) })
		apis, proxies = append(apis, other), append(proxies, other.Proxy)
	}
	l := harness.StartLoad(t, harness.LoadSpec{Proxies: proxies, Rate: harness.UsualRate * len(proxies)}) // each has its share
	fixture.Sleep(loadTime)
	for _, a := range apis[:ends] {
		passedOver, asked := l.Failovers.Load(), time.Now()
		a.Terminate()
		harness.AtMost(t, "end after SIGTERM under load", time.Since(asked), limit)
		if code := a.Cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("it ended with %d, want 0; the log:\n%s", code, a.Log.Tail(20))
		}
		fixture.Sleep(loadTime / 3)
		if l.Failovers.Load() == passedOver {
			t.Error("no request was passed on to another API server")
		}
	}
	l.NoFailures(t, "API servers end under load")
	p.NoFalseExpiries("API servers end under load", apis[ends])
}
