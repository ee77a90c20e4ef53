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
	serverCount = 20                      // number of data servers behind the proxy
	loadTime    = 1500 * time.Millisecond // duration of the load before and after a fault
)

// proxySite is a site with an API server and data servers behind its proxy.
type proxySite struct {
	*harness.Site
	api     *harness.APIServer
	ids     []string
	addrs   []string // addresses of the servers; a server that restarts keeps its address
	running []*harness.Process
}

// newProxySite starts a proxySite, and returns when the API server lists every server.
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
	return harness.StartLoad(t, harness.LoadSpec{Proxies: []string{p.api.Proxy}, Methods: methods, Body: []byte("a body that no server reads")})
}

// The test is not parallel: it measures times so short that other tests would change them.
func TestProxyUnderLoad(t *testing.T) {
	p := newProxySite(t)
	t.Run("servers leave", p.serversLeave)
	t.Run("a server is killed", p.serverIsKilled)
	t.Run("slow clients", p.slowClients)
	p.NoFalseExpiries("proxy under load", p.api)
}

// serversLeave terminates the first five servers.
func (p *proxySite) serversLeave(t *testing.T) {
	const (
		leave = 5
		limit = 300 * time.Millisecond
	)
	l := p.load(t, http.MethodGet, http.MethodGet, http.MethodPost)
	fixture.Sleep(loadTime)
	signaled := make(map[string]time.Time)
	for i := range leave {
		signaled[p.ids[i]] = p.Events.MarkDead(p.ids[i])
		p.running[i].Signal(syscall.SIGTERM)
		fixture.Sleep(200 * time.Millisecond)
	}
	fixture.Sleep(2 * time.Second) // wait until all five servers have ended
	l.NoFailures(t, "SIGTERM under load")
	var took []time.Duration
	for id, at := range signaled {
		last := l.LastServedBy(id)
		if last.IsZero() {
			t.Errorf("%s has sent no response", id)
		}
		took = append(took, max(0, last.Sub(at)))
	}
	harness.PercentileAtMost(t, "unroutable after SIGTERM", took, 99, limit)
}

func (p *proxySite) serverIsKilled(t *testing.T) {
	const (
		limit = time.Second
		again = 7 * time.Second // long enough for the proxy to try the killed server again: it ejects a server for 5 s
		floor = 50 * time.Millisecond
	)
	l := p.load(t)
	fixture.Sleep(loadTime)
	retries := p.api.Count(t, harness.RetriesMetric)
	killed := p.Events.MarkDead(p.ids[serverCount-1])
	p.running[serverCount-1].Kill()
	tried := killed // when the proxy made the last retry
	harness.Every(20*time.Millisecond, again, func() {
		if now := p.api.Count(t, harness.RetriesMetric); now > retries {
			retries, tried = now, time.Now()
		}
	})
	l.NoFailures(t, "SIGKILL under load")
	if tried.Equal(killed) {
		t.Error("no request was retried")
	}
	harness.AtMost(t, "unroutable after SIGKILL", tried.Sub(killed), limit)
	othersAtMost(t, "SIGKILL under load: latency", l.Between(time.Time{}, killed), l.Between(killed, killed.Add(again)), floor)
}

// othersAtMost fails the test if a fault slows down other requests: if the 99th percentile of their latencies is more than twice the usual
// percentile and also more than floor. The parameter floor allows for a machine with two cores.
func othersAtMost(t *testing.T, what string, usually, meanwhile []harness.Sample, floor time.Duration) {
	t.Helper()
	usual := harness.Quantile(usually, 99)
	harness.PercentileAtMost(t, fmt.Sprintf("%s, whose usual p99 is %v", what, usual), harness.Latencies(meanwhile), 99, max(2*usual, floor))
}

// The kernel accepts requests for a paused server, but no response comes. When the lease of the server ends, the proxy retries the requests
// at other servers.
func TestServerPausedUnderLoad(t *testing.T) {
	t.Parallel()
	const (
		limit  = 10500 * time.Millisecond
		caught = 20 // greatest number of slow requests allowed
		slow   = time.Second
		floor  = slow / 4 // a higher floor than in other tests, because other tests run at the same time as this test
	)
	p := newProxySite(t)
	p.AwaitNormal(p.api)
	l := p.load(t)
	fixture.Sleep(loadTime)
	stopped := p.Events.MarkDead(p.ids[0])
	p.running[0].Signal(syscall.SIGSTOP)
	harness.PercentileAtMost(t, "expired after SIGSTOP under load", p.Events.DelaysOf(t, 15*time.Second, events.TypeExpired, p.ids[:1]), 100, limit)
	fixture.Sleep(loadTime)
	l.NoFailures(t, "SIGSTOP under load")

	var slowOnes []harness.Sample
	before := stopped.Add(-100 * time.Millisecond) // requests sent before this time had their responses before the pause
	others := l.Between(before, time.Now())
	for i := 0; i < len(others); {
		if others[i].Took < slow {
			i++
			continue
		}
		slowOnes = append(slowOnes, others[i])
		others[i] = others[len(others)-1]
		others = others[:len(others)-1]
	}
	harness.AtMost(t, fmt.Sprintf("SIGSTOP under load: slow requests, the slowest of %v", harness.Quantile(slowOnes, 100)), len(slowOnes), caught)
	othersAtMost(t, "SIGSTOP under load: latency of others", l.Between(time.Time{}, before), others, floor)
	p.NoFalseExpiries("SIGSTOP under load", p.api)
}

func TestRollingRestartUnderLoad(t *testing.T) {
	t.Parallel()
	p := newProxySite(t)
	requests := 0 // minimum number of requests; with 0, each server restarts once
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
			t.Errorf("%s has sent no response", id)
		}
	}
	p.NoFalseExpiries("rolling restart", p.api)
}

// A client that knows the addresses of several API servers does not notice the end of one API server. The test is not parallel, because it
// keeps both cores of a small machine busy.
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
	l := harness.StartLoad(t, harness.LoadSpec{Proxies: proxies, Rate: harness.UsualRate * len(proxies)}) // the usual rate for each proxy
	fixture.Sleep(loadTime)
	for _, a := range apis[:ends] {
		failovers, signaled := l.Failovers.Load(), time.Now()
		a.Terminate()
		harness.AtMost(t, "end after SIGTERM under load", time.Since(signaled), limit)
		if code := a.Cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d, want 0; the log is:\n%s", code, a.Log.Tail(20))
		}
		fixture.Sleep(loadTime / 3)
		if l.Failovers.Load() == failovers {
			t.Error("no request was retried at another API server")
		}
	}
	l.NoFailures(t, "API servers end under load")
	p.NoFalseExpiries("API servers end under load", apis[ends])
}
