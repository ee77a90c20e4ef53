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

const (
	UsualRate    = 500 // requests a second that most rows have
	mostAtOnce   = 2000
	loadPatience = 20 * time.Second // with one request: that to a server that stands is tried elsewhere when its lease ends
)

// receivedHeader of an answer tells how many bytes of the request's body came, if the server is one that says so.
const receivedHeader = "X-Received"

// LoadSpec is an open loop: requests begin at fixed times, whatever became of those before. Latencies count from these
// times, so that a proxy which stands cannot hide it by being asked less.
type LoadSpec struct {
	Proxies []string // in turn; one that refuses the connection is passed over for the next
	Service string   // default events.DefaultService
	Methods []string // in turn, default GET
	Body    []byte   // of those that may have one
	Rate    int      // requests a second, default UsualRate
	Status  int      // that an answer must have, default 200
	// Check looks at the body of an answer to path, as the server that is named by saw it; by default it must be one
	// of the data server that users have.
	Check func(service, by, path string, body []byte) error
}

func (s *LoadSpec) setDefaults() {
	s.Service = cmp.Or(s.Service, events.DefaultService)
	s.Rate = cmp.Or(s.Rate, UsualRate)
	s.Status = cmp.Or(s.Status, http.StatusOK)
	if len(s.Methods) == 0 {
		s.Methods = []string{http.MethodGet}
	}
	if s.Check == nil {
		s.Check = answersWho
	}
}

// answersWho is what a data server answers.
func answersWho(service, by, path string, body []byte) error {
	text := string(body)
	if !strings.HasPrefix(text, service+" "+by+" at ") || !strings.HasSuffix(text, " answers "+path+"\n") {
		return fmt.Errorf("%s, asked for %s, answers %q", by, path, text)
	}
	return nil
}

// Sample is one request.
type Sample struct {
	sent   time.Time
	Took   time.Duration // from when it was due until the whole answer was there
	server string        // X-Served-By
	err    error
}

// Load is requests under way.
type Load struct {
	spec   LoadSpec
	client *http.Client
	slots  chan struct{}
	ending chan struct{}
	ended  chan struct{}
	once   sync.Once

	Failovers atomic.Int64 // connections refused, after which another proxy was asked
	resends   atomic.Int64 // requests that the client sent again, as it may, since an idle connection was closed under it

	mu      sync.Mutex
	samples []Sample
}

func StartLoad(tb testing.TB, spec LoadSpec) *Load {
	tb.Helper()
	spec.setDefaults()
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost: mostAtOnce,
		DisableCompression:  true,
	}
	l := &Load{
		spec:   spec,
		client: &http.Client{Transport: transport, Timeout: loadPatience},
		slots:  make(chan struct{}, mostAtOnce),
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

// Stop returns when every request has its answer, or the client's patience is over.
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

// request asks one proxy after the other until one takes the connection.
func (l *Load) request(n int) (by string, err error) {
	for i := range l.spec.Proxies {
		by, err = l.send(l.spec.Proxies[(n+i)%len(l.spec.Proxies)], n)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		l.Failovers.Add(1)
	}
	return by, err
}

func (l *Load) send(proxy string, n int) (by string, err error) {
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
	by = resp.Header.Get("X-Served-By")
	answer, err := io.ReadAll(resp.Body)
	switch got := resp.Header.Get(receivedHeader); {
	case err != nil:
		return by, fmt.Errorf("%s %s: %s, cut off after %d bytes: %w", method, path, resp.Status, len(answer), err)
	case resp.StatusCode != l.spec.Status:
		return by, fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, answer)
	case by == "":
		return by, fmt.Errorf("%s %s: no X-Served-By", method, path)
	case body != nil && got != "" && got != fmt.Sprint(len(l.spec.Body)):
		return by, fmt.Errorf("%s %s: %s bytes of the body came to %s, want %d", method, path, got, by, len(l.spec.Body))
	}
	return by, l.spec.Check(l.spec.Service, by, path, answer)
}

// All are the requests so far that have ended.
func (l *Load) All() []Sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.samples)
}

// Between are those that were sent from one moment on and before another.
func (l *Load) Between(from, to time.Time) []Sample {
	return slices.DeleteFunc(l.All(), func(s Sample) bool { return s.sent.Before(from) || !s.sent.Before(to) })
}

// LastServedBy is when the last request was sent that this server answered.
func (l *Load) LastServedBy(server string) time.Time {
	var last time.Time
	for _, s := range l.All() {
		if s.server == server && s.sent.After(last) {
			last = s.sent
		}
	}
	return last
}

// NoFailures is the row that every fault has which a user must not notice. It stops the load.
func (l *Load) NoFailures(tb testing.TB, what string) {
	tb.Helper()
	l.Stop()
	AtMost(tb, what+": requests failed", l.Failed(tb, what), 0)
}

// Failed counts the requests that failed, and tells of all.
func (l *Load) Failed(tb testing.TB, what string) int {
	tb.Helper()
	const told = 5
	failed, by := 0, make(map[string]int)
	all := l.All()
	if len(all) == 0 {
		tb.Fatalf("%s: no request ended", what)
	}
	begun := slices.MinFunc(all, func(a, b Sample) int { return a.sent.Compare(b.sent) }).sent
	for _, s := range all {
		by[s.server]++
		if s.err == nil {
			continue
		}
		if failed++; failed <= told {
			tb.Logf("%s: failed, sent %v after the first: %v", what, s.sent.Sub(begun).Round(time.Millisecond), s.err)
		}
	}
	tb.Logf("%s: %d requests, %d failed, p50 %v, p99 %v, worst %v; by %d servers; %d passed on to another proxy, %d sent again",
		what, len(all), failed, Quantile(all, 50), Quantile(all, 99), Quantile(all, 100), len(by), l.Failovers.Load(), l.resends.Load())
	return failed
}

// Latencies are those of all that were answered, well or not.
func Latencies(samples []Sample) []time.Duration {
	var took []time.Duration
	for _, s := range samples {
		took = append(took, s.Took)
	}
	return took
}

// Quantile is the latency that so many of a hundred have at most.
func Quantile(samples []Sample, percent int) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	took := slices.Sorted(slices.Values(Latencies(samples)))
	return took[min(len(took)-1, len(took)*percent/100)].Round(10 * time.Microsecond)
}
