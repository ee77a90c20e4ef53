package harness

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rollcall/events"
)

// UsualRate is the default of LoadSpec.Rate, in requests per second.
const UsualRate = 500

const (
	maxInFlight = 2000
	// loadTimeout is longer than a lease, because the proxy retries a request to a paused server only after the lease of the server ends.
	loadTimeout = 20 * time.Second
)

// receivedHeader is the response header in which Backends report how many bytes of the request's body they received.
const receivedHeader = "X-Received"

// LoadSpec describes an open loop: requests start at fixed times, even if earlier requests have no response yet. Latencies count from these
// times. So a pause of the proxy shows in the latency of every request that was due during the pause.
type LoadSpec struct {
	Proxies []string // addresses of the proxies, used in turn; if a proxy refuses the connection, the request goes to the next proxy
	Service string   // default events.DefaultService
	Methods []string // HTTP methods, used in turn; default GET
	Body    []byte   // body of POST and PUT requests
	Rate    int      // requests per second; default UsualRate
	Status  int      // expected status of every response; default 200
	// Check returns an error if the body of a response is wrong for the server that sent it and the path that was requested. The default
	// expects the body that "rollcall dataserver" sends.
	Check func(service, server, path string, body []byte) error
}

func (s *LoadSpec) setDefaults() {
	s.Service = cmp.Or(s.Service, events.DefaultService)
	s.Rate = cmp.Or(s.Rate, UsualRate)
	s.Status = cmp.Or(s.Status, http.StatusOK)
	if len(s.Methods) == 0 {
		s.Methods = []string{http.MethodGet}
	}
	if s.Check == nil {
		s.Check = checkDataServer
	}
}

// checkDataServer checks a response of "rollcall dataserver". It is the default of LoadSpec.Check.
func checkDataServer(service, server, path string, body []byte) error {
	text := string(body)
	if !strings.HasPrefix(text, service+" "+server+" at ") || !strings.HasSuffix(text, " answers "+path+"\n") {
		return fmt.Errorf("%s responded to %s with %q", server, path, text)
	}
	return nil
}

// Sample is a request that has ended.
type Sample struct {
	sent   time.Time
	Took   time.Duration // from the scheduled start to the end of the response
	server string        // id of the server, from the header X-Served-By
	err    error
}

// Load sends requests until Stop.
type Load struct {
	Failovers atomic.Int64 // number of refused connections, after each of which the next proxy was tried
	resends   atomic.Int64 // number of requests that net/http sent again because an idle connection was closed

	spec   LoadSpec
	client *http.Client
	slots  chan struct{}
	ending chan struct{}
	ended  chan struct{}
	once   sync.Once

	mu      sync.Mutex
	samples []Sample
}

// StartLoad starts to send requests. The load ends when Stop is called, or at the end of the test.
func StartLoad(tb testing.TB, spec LoadSpec) *Load {
	tb.Helper()
	spec.setDefaults()
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost: maxInFlight,
		DisableCompression:  true,
	}
	l := &Load{
		spec:   spec,
		client: &http.Client{Transport: transport, Timeout: loadTimeout},
		slots:  make(chan struct{}, maxInFlight),
		ending: make(chan struct{}),
		ended:  make(chan struct{}),
	}
	go l.run()
	tb.Cleanup(func() {
		l.Stop()
		transport.CloseIdleConnections()
	})
	return l
}

// Stop ends the load, and waits until every request in flight has a response or times out.
func (l *Load) Stop() {
	l.once.Do(func() { close(l.ending) })
	<-l.ended
}

func (l *Load) run() {
	defer close(l.ended)
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	begun := time.Now()
	for n := 0; ; n++ {
		due := begun.Add(time.Duration(n) * time.Second / time.Duration(l.spec.Rate))
		select {
		case <-time.After(time.Until(due)):
		case <-l.ending:
			return
		}
		select {
		case l.slots <- struct{}{}:
		case <-l.ending:
			return
		}
		inFlight.Go(func() {
			defer func() { <-l.slots }()
			s := Sample{sent: time.Now()}
			s.server, s.err = l.request(n)
			s.Took = time.Since(due)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.samples = append(l.samples, s)
		})
	}
}

// request tries one proxy after the other until one accepts the connection.
func (l *Load) request(n int) (server string, err error) {
	for i := range l.spec.Proxies {
		server, err = l.send(l.spec.Proxies[(n+i)%len(l.spec.Proxies)], n)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		l.Failovers.Add(1)
	}
	return server, err
}

func (l *Load) send(proxy string, n int) (server string, err error) {
	method, path := l.spec.Methods[n%len(l.spec.Methods)], fmt.Sprintf("/r/%d", n)
	var body io.Reader
	if method == http.MethodPost || method == http.MethodPut {
		body = bytes.NewReader(l.spec.Body)
	}
	req, err := http.NewRequest(method, "http://"+proxy+"/"+l.spec.Service+path, body)
	if err != nil {
		return "", err
	}
	conns := 0
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if conns++; conns > 1 {
			l.resends.Add(1)
		}
	}}))
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	server = resp.Header.Get("X-Served-By")
	text, err := io.ReadAll(resp.Body)
	switch got := resp.Header.Get(receivedHeader); {
	case err != nil:
		return server, fmt.Errorf("%s %s: %s, cut off after %d bytes: %w", method, path, resp.Status, len(text), err)
	case resp.StatusCode != l.spec.Status:
		return server, fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, text)
	case server == "":
		return server, fmt.Errorf("%s %s: no X-Served-By", method, path)
	case body != nil && got != "" && got != fmt.Sprint(len(l.spec.Body)):
		return server, fmt.Errorf("%s %s: %s bytes of the body arrived at %s, want %d", method, path, got, server, len(l.spec.Body))
	}
	return server, l.spec.Check(l.spec.Service, server, path, text)
}

// All returns the requests that have ended.
func (l *Load) All() []Sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.samples)
}

// Between returns the requests that were sent in a period, including the start of the period but not its end.
func (l *Load) Between(from, to time.Time) []Sample {
	return slices.DeleteFunc(l.All(), func(s Sample) bool { return s.sent.Before(from) || !s.sent.Before(to) })
}

// LastServedBy returns the time of the newest request to which the server responded, or the zero time.
func (l *Load) LastServedBy(server string) time.Time {
	var last time.Time
	for _, s := range l.All() {
		if s.server == server && s.sent.After(last) {
			last = s.sent
		}
	}
	return last
}

// NoFailures stops the load, and fails the test if any request failed.
func (l *Load) NoFailures(tb testing.TB, what string) {
	tb.Helper()
	l.Stop()
	AtMost(tb, what+": requests failed", l.Failed(tb, what), 0)
}

// Failed returns the number of requests that failed. It logs a summary, and the first failures.
func (l *Load) Failed(tb testing.TB, what string) int {
	tb.Helper()
	const logged = 5
	failed, servers := 0, make(map[string]int)
	all := l.All()
	if len(all) == 0 {
		tb.Fatalf("%s: no request ended", what)
	}
	begun := slices.MinFunc(all, func(a, b Sample) int { return a.sent.Compare(b.sent) }).sent
	for _, s := range all {
		servers[s.server]++
		if s.err == nil {
			continue
		}
		if failed++; failed <= logged {
			tb.Logf("%s: request sent %v after the first one failed: %v", what, s.sent.Sub(begun).Round(time.Millisecond), s.err)
		}
	}
	tb.Logf("%s: %d requests, %d failed, p50 %v, p99 %v, worst %v; %d servers; %d retried at another proxy, %d sent again",
		what, len(all), failed, Quantile(all, 50), Quantile(all, 99), Quantile(all, 100), len(servers), l.Failovers.Load(), l.resends.Load())
	return failed
}

// Latencies returns the latency of each request, failed or not.
func Latencies(samples []Sample) []time.Duration {
	var took []time.Duration
	for _, s := range samples {
		took = append(took, s.Took)
	}
	return took
}

// Quantile returns a percentile of the latencies.
func Quantile(samples []Sample, percent int) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	took := slices.Sorted(slices.Values(Latencies(samples)))
	return took[min(len(took)-1, len(took)*percent/100)].Round(10 * time.Microsecond)
}
