package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
)

// API is an API server as its users see it: over HTTP.
type API struct {
	Addr   string
	Proxy  string // its address too
	Client *http.Client
	tail   func(lines int) string // of the log
}

// NewAPI asks nothing yet.
func NewAPI(tb testing.TB, addr, proxy string, tail func(lines int) string) *API {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	return &API{Addr: addr, Proxy: proxy, Client: &http.Client{Transport: transport, Timeout: 2 * time.Second}, tail: tail}
}

func (a *API) Live() bool { return a.check("/livez") == nil }

// Ready tells what /readyz says.
func (a *API) Ready() bool { return a.check("/readyz") == nil }

func (a *API) check(path string) error {
	_, err := a.get(path)
	return err
}

// Status is what the tests want of GET /v1/status.
type Status struct {
	Mode     events.Mode
	Revision uint64
	Servers  struct{ Alive, Suspect, Draining int }
	Outbox   struct {
		Length  int
		Dropped uint64
	}
	NSQD []Node
}

type Node struct {
	Address   string
	Connected bool
	Reception string   // receiving or silent
	LagMS     *float64 `json:"lag_ms"`
	Received  uint64
}

func (s *Status) Node(addr string) Node {
	for _, n := range s.NSQD {
		if n.Address == addr {
			return n
		}
	}
	return Node{}
}

func (a *API) Status() (*Status, error) { return Get[Status](a, "/v1/status") }

func (a *API) servers() ([]*events.Server, error) {
	list, err := Get[struct{ Servers []*events.Server }](a, "/v1/servers")
	if err != nil {
		return nil, err
	}
	return list.Servers, nil
}

// ErrStatus is an answer with another status than 200.
var ErrStatus = errors.New("refused")

func (a *API) get(path string) ([]byte, error) {
	resp, err := a.Client.Get("http://" + a.Addr + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %w: %s %s", path, ErrStatus, resp.Status, body)
	}
	return body, err
}

func Get[T any](a *API, path string) (*T, error) {
	body, err := a.get(path)
	if err != nil {
		return nil, err
	}
	answer := new(T)
	return answer, json.Unmarshal(body, answer)
}

// Metric is the sum of the series of /metrics whose name begins so and that have all of these labels.
func (a *API) Metric(tb testing.TB, prefix string, labels ...string) float64 {
	tb.Helper()
	sum, found := a.sum(tb, prefix, labels...)
	if !found {
		tb.Fatalf("/metrics has no %s %v", prefix, labels)
	}
	return sum
}

// Count is the sum of the series of a counter that have all of these labels: 0 if nothing was counted yet.
func (a *API) Count(tb testing.TB, name string, labels ...string) float64 {
	tb.Helper()
	sum, _ := a.sum(tb, name+"{", labels...)
	return sum
}

func (a *API) sum(tb testing.TB, prefix string, labels ...string) (sum float64, found bool) {
	tb.Helper()
	body, err := a.get("/metrics")
	fixture.Must(tb, err)
	for text := range strings.Lines(string(body)) {
		if !strings.HasPrefix(text, prefix) || slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(text, l) }) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(text[strings.LastIndexByte(text, ' '):]), 64)
		fixture.Must(tb, err)
		sum, found = sum+value, true
	}
	return sum, found
}

// Counters of the proxy.
const (
	RequestsMetric  = "rollcall_proxy_requests_total"
	AttemptsMetric  = "rollcall_proxy_attempts_total"
	RetriesMetric   = "rollcall_proxy_retries_total"
	EjectionsMetric = "rollcall_proxy_ejections_total"
)

// Expired counts the servers that this process expired since its start.
func (a *API) Expired(tb testing.TB) int {
	tb.Helper()
	return int(a.Metric(tb, "rollcall_transitions_total{", `type="expired"`))
}

// Await asks a few times a second until the condition holds, and returns how long that took.
func (a *API) Await(tb testing.TB, within time.Duration, what string, holds func() bool) time.Duration {
	tb.Helper()
	begun := time.Now()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for !holds() {
		if time.Since(begun) > within {
			tb.Fatalf("not within %v: %s; the API server's log:\n%s", within, what, a.tail(30))
		}
		<-every.C
	}
	return time.Since(begun)
}

// AwaitNormal returns when the API server is warm and lists the servers named, and maybe others.
func (a *API) AwaitNormal(tb testing.TB, within time.Duration, ids ...string) time.Duration {
	tb.Helper()
	return a.Await(tb, within, fmt.Sprintf("mode normal, and %d servers on the roll", len(ids)), func() bool {
		st, err := a.Status()
		return err == nil && st.Mode == events.ModeNormal && st.Servers.Alive >= len(ids) && a.Lists(ids...)
	})
}

// Lists tells whether all of these are on the roll.
func (a *API) Lists(ids ...string) bool {
	servers, err := a.servers()
	if err != nil {
		return false
	}
	listed := make(map[string]bool, len(servers))
	for _, s := range servers {
		listed[s.ID] = true
	}
	for _, id := range ids {
		if !listed[id] {
			return false
		}
	}
	return true
}
