package integration

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
	usualRate    = 500 // requests a second that most rows have
	mostAtOnce   = 2000
	loadPatience = 20 * time.Second // with one request: that to a server that stands is tried elsewhere when its lease ends
)

// receivedHeader of an answer tells how many bytes of the request's body came, if the server is one that says so.
const receivedHeader = "X-Received"

// loadSpec is an open loop: requests begin at fixed times, whatever became of those before. Latencies count from these
// times, so that a proxy which stands cannot hide it by being asked less.
type loadSpec struct {
	Proxies []string // in turn; one that refuses the connection is passed over for the next
	Service string   // default events.DefaultService
	Methods []string // in turn, default GET
	Body    []byte   // of those that may have one
	Rate    int      // requests a second, default usualRate
	Status  int      // that an answer must have, default 200
	// Check looks at the body of an answer to path, as the server that is named by saw it; by default it must be one
	// of the data server that users have.
	Check func(service, by, path string, body []byte) error
}

func (s *loadSpec) setDefaults() {
	s.Service = cmp.Or(s.Service, events.DefaultService)
	s.Rate = cmp.Or(s.Rate, usualRate)
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

// sample is one request.
type sample struct {
	sent    time.Time
	took    time.Duration // from when it was due until the whole answer was there
	by      string        // X-Served-By
	failure error
}

// load is requests under way.
type load struct {
	spec   loadSpec
	client *http.Client
	slots  chan struct{}
	ending chan struct{}
	ended  chan struct{}
	once   sync.Once

	passedOver atomic.Int64 // connections refused, after which another proxy was asked
	replayed   atomic.Int64 // requests that the client sent again, as it may, since an idle connection was closed under it

	mu      sync.Mutex
	samples []sample
}

func startLoad(tb testing.TB, spec loadSpec) *load {
	tb.Helper()
	spec.setDefaults()
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost: mostAtOnce,
		DisableCompression:  true,
	}
	l := &load{
		spec:   spec,
		client: &http.Client{Transport: transport, Timeout: loadPatience},
		slots:  make(chan struct{}, mostAtOnce),
		ending: make(chan struct{}),
		ended:  make(chan struct{}),
	}
	go l.run()
	tb.Cleanup(func() {
		l.stop()
		transport.CloseIdleConnections()
	})
	return l
}

// stop returns when every request has its answer, or the client's patience is over.
func (l *load) stop() {
	l.once.Do(func() { close(l.ending) })
	<-l.ended
}

func (l *load) run() {
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
			s := sample{sent: time.Now()}
			s.by, s.failure = l.request(n)
			s.took = time.Since(due)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.samples = append(l.samples, s)
		})
	}
}

// request asks one proxy after the other until one takes the connection.
func (l *load) request(n int) (by string, err error) {
	for i := range l.spec.Proxies {
		by, err = l.ask(l.spec.Proxies[(n+i)%len(l.spec.Proxies)], n)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		l.passedOver.Add(1)
	}
	return by, err
}

func (l *load) ask(proxy string, n int) (by string, err error) {
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
			l.replayed.Add(1)
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

// all are the requests so far that have ended.
func (l *load) all() []sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.samples)
}

// between are those that were sent from one moment on and before another.
func (l *load) between(from, to time.Time) []sample {
	return slices.DeleteFunc(l.all(), func(s sample) bool { return s.sent.Before(from) || !s.sent.Before(to) })
}

// lastBy is when the last request was sent that this server answered.
func (l *load) lastBy(server string) time.Time {
	var last time.Time
	for _, s := range l.all() {
		if s.by == server && s.sent.After(last) {
			last = s.sent
		}
	}
	return last
}

// faultless is the row that every fault has which a user must not notice. It stops the load.
func (l *load) faultless(tb testing.TB, what string) {
	tb.Helper()
	l.stop()
	row(tb, what+": requests failed", l.failed(tb, what), 0)
}

// failed counts the requests that failed, and tells of all.
func (l *load) failed(tb testing.TB, what string) int {
	tb.Helper()
	const told = 5
	failed, by := 0, make(map[string]int)
	all := l.all()
	if len(all) == 0 {
		tb.Fatalf("%s: no request ended", what)
	}
	begun := slices.MinFunc(all, func(a, b sample) int { return a.sent.Compare(b.sent) }).sent
	for _, s := range all {
		by[s.by]++
		if s.failure == nil {
			continue
		}
		if failed++; failed <= told {
			tb.Logf("%s: failed, sent %v after the first: %v", what, s.sent.Sub(begun).Round(time.Millisecond), s.failure)
		}
	}
	tb.Logf("%s: %d requests, %d failed, p50 %v, p99 %v, worst %v; by %d servers; %d passed on to another proxy, %d sent again",
		what, len(all), failed, quantile(all, 50), quantile(all, 99), quantile(all, 100), len(by), l.passedOver.Load(), l.replayed.Load())
	return failed
}

// latencies are those of all that were answered, well or not.
func latencies(samples []sample) []time.Duration {
	var took []time.Duration
	for _, s := range samples {
		took = append(took, s.took)
	}
	return took
}

// quantile is the latency that so many of a hundred have at most.
func quantile(samples []sample, percent int) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	took := slices.Sorted(slices.Values(latencies(samples)))
	return took[min(len(took)-1, len(took)*percent/100)].Round(10 * time.Microsecond)
}
