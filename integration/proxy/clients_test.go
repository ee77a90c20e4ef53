package proxy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// If a client sends a broken body, the proxy must not count that as a failure of the server.
func TestBrokenBodiesEjectNoServer(t *testing.T) {
	t.Parallel()
	const (
		servers = 4
		clients = 16
	)
	rounds := 60
	if harness.Long() {
		rounds = 625 // 16 clients x 625 is 10 000 requests
	}
	s := harness.NewSite(t, 1)
	a := s.StartAPI("api-1")
	b := s.StartBackends(servers, harness.BackendSpec{Service: "reads"})
	a.Await(t, 10*time.Second, "every server is listed", func() bool { return a.Lists(b.IDs()...) })
	l := harness.StartLoad(t, harness.LoadSpec{Proxies: []string{a.Proxy}, Service: "reads", Methods: []string{http.MethodGet, http.MethodPut},
		Body: []byte("a whole body"), Rate: harness.UsualRate / 5, Check: b.Check})
	fixture.Sleep(loadTime)

	const head = "POST /reads/broken HTTP/1.1\r\nHost: proxy\r\n"
	bodies := []brokenBody{
		{"a chunk of no size", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZZ\r\nhello\r\n", false},
		{"a chunk longer than its size", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n", false},
		{"a chunk cut off", head + "Transfer-Encoding: chunked\r\n\r\n400\r\nhello", true},
		{"a body shorter than its Content-Length", head + "Content-Length: 100\r\n\r\nhello", true},
		{"a long body cut off", head + "Content-Length: 1000000\r\n\r\nhello", true},
	}
	var mu sync.Mutex
	responses, wrong := make(map[string]int), 0
	var ran errgroup.Group
	for range clients {
		ran.Go(func() error {
			for n := range rounds {
				body := bodies[n%len(bodies)]
				response, err := body.send(a.Proxy)
				if err != nil {
					return fmt.Errorf("%s: %w", body.name, err)
				}
				mu.Lock()
				responses[body.name+": "+response]++
				if response != "400 Bad Request" && !(body.cut && response == noResponse) {
					wrong++
				}
				mu.Unlock()
			}
			return nil
		})
	}
	fixture.Must(t, ran.Wait())
	for response, n := range responses {
		t.Logf("%s: %d times", response, n)
	}
	harness.AtMost(t, fmt.Sprintf("%d broken bodies: accepted as complete", clients*rounds), wrong, 0)
	fixture.Sleep(loadTime)
	l.NoFailures(t, "beside broken bodies")
	harness.AtMost(t, "broken bodies: servers ejected", a.Count(t, harness.EjectionsMetric), 0)
	suspected := s.Events.Matching(func(s harness.LoggedEvent) bool { return s.Type() == events.TypeSuspected })
	harness.AtMost(t, "broken bodies: servers suspected", len(suspected), 0)
	s.NoFalseExpiries("broken bodies", a)
}

type brokenBody struct {
	name    string
	request string
	cut     bool // the client closes its side of the connection; the proxy may then close the connection without a response
}

const noResponse = "no response"

// send sends the request. It returns the status of the response, or noResponse if the proxy closes the connection without a response.
func (b brokenBody) send(proxy string) (string, error) {
	conn, err := net.DialTimeout("tcp", proxy, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, b.request); err != nil {
		return "", err
	}
	if b.cut {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			return "", err
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return noResponse, nil
	case err != nil:
		return "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Status, err
}

// slowClients adds many clients that send the header of a request byte by byte and never end it.
func (p *proxySite) slowClients(t *testing.T) {
	const (
		cut    = 5 * time.Second
		late   = time.Second
		arrive = 2 * time.Second
		floor  = 15 * time.Millisecond
	)
	l := p.load(t)
	fixture.Sleep(loadTime)
	begun := time.Now()
	child, said := harness.StartReportingChild(t, harness.ChildCommand(t, "slow", slowSpec{Proxy: p.api.Proxy, Clients: 2000, Arrive: arrive, Every: 2 * time.Second, Most: 2 * cut}))
	ended := time.Now()
	child.Terminate()
	fixture.Sleep(loadTime)
	l.NoFailures(t, "beside slow clients")
	var lives []time.Duration
	fixture.Must(t, json.Unmarshal([]byte(said), &lives))
	harness.PercentileAtMost(t, "slow clients: connection closed", lives, 100, cut+late)
	usually := slices.Concat(l.Between(time.Time{}, begun), l.Between(ended, time.Now()))
	othersAtMost(t, "slow clients: latency of others", usually, l.Between(begun.Add(arrive), ended), floor)
}

// slowSpec describes many slow clients in one process.
type slowSpec struct {
	Proxy   string
	Clients int
	Arrive  time.Duration // time over which the clients connect, one after the other
	Every   time.Duration // time between two bytes of a client
	Most    time.Duration // longest time for which a client waits until the proxy closes its connection
}

// startChildSlow runs the slow clients until the proxy has closed all connections. The line that it returns tells in JSON how long each
// connection was open.
func startChildSlow(spec slowSpec) (string, func() error, error) {
	lives := make([]time.Duration, spec.Clients)
	var ran errgroup.Group
	for i := range lives {
		ran.Go(func() error {
			fixture.Sleep(spec.Arrive * time.Duration(i) / time.Duration(spec.Clients))
			var err error
			lives[i], err = sendSlowly(spec)
			return err
		})
	}
	if err := ran.Wait(); err != nil {
		return "", nil, err
	}
	text, err := json.Marshal(lives)
	return string(text), func() error { return nil }, err
}

// sendSlowly is a client that never ends its header. It returns how long the proxy kept its connection open.
func sendSlowly(spec slowSpec) (time.Duration, error) {
	conn, err := net.DialTimeout("tcp", spec.Proxy, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	begun := time.Now()
	if _, err := io.WriteString(conn, "GET /data/slow HTTP/1.1\r\nHost: proxy\r\nX-Slow: "); err != nil {
		return 0, err
	}
	for response := make([]byte, 512); time.Since(begun) < spec.Most; {
		if err := conn.SetReadDeadline(time.Now().Add(spec.Every)); err != nil {
			return 0, err
		}
		switch _, err := conn.Read(response); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			_, _ = conn.Write([]byte("x")) // if this write fails, the next read reports the error
		case err != nil:
			return time.Since(begun), nil
		}
	}
	return 0, fmt.Errorf("the proxy keeps a connection without a complete header for %v", spec.Most)
}
