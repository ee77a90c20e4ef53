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

// API is a client of an API server, and of its proxy.
type API struct {
	Addr   string // address of the HTTP API
	Proxy  string // address of the proxy
	Client *http.Client
	tail   func(lines int) string // returns the last lines of the log
}

// NewAPI returns a client for the given addresses. It sends no request.
func NewAPI(tb testing.TB, addr, proxy string, tail func(lines int) string) *API {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	return &API{Addr: addr, Proxy: proxy, Client: &http.Client{Transport: transport, Timeout: 2 * time.Second}, tail: tail}
}

// Live reports whether /livez responds with 200.
func (a *API) Live() bool { return a.check("/livez") == nil }

// Ready reports whether /readyz responds with 200.
func (a *API) Ready() bool { return a.check("/readyz") == nil }

func (a *API) check(path string) error {
	_, err := a.get(path)
	return err
}

// Status is the part of GET /v1/status that tests read.
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

// Node is what the status says about one nsqd.
type Node struct {
	Address   string
	Connected bool
	Reception string   // "receiving", "silent" or "new"
	LagMS     *float64 `json:"lag_ms"`
	Received  uint64
}

// Node returns the nsqd with the given address, or the zero Node if the status does not list it.
func (s *Status) Node(addr string) Node {
	for _, n := range s.NSQD {
		if n.Address == addr {
			return n
		}
	}
	return Node{}
}

// Status requests /v1/status.
func (a *API) Status() (*Status, error) { return Get[Status](a, "/v1/status") }

func (a *API) servers() ([]*events.Server, error) {
	list, err := Get[struct{ Servers []*events.Server }](a, "/v1/servers")
	if err != nil {
		return nil, err
	}
	return list.Servers, nil
}

// ErrStatus is returned for a response whose status is not 200.
var ErrStatus = errors.New("status is not 200")

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

// GetBody requests a path of the API and returns the body of the response. It fails the test unless the response has status 200.
func (a *API) GetBody(tb testing.TB, path string) []byte {
	tb.Helper()
	body, err := a.get(path)
	fixture.Must(tb, err)
	return body
}

// Get requests a path of the API and decodes the JSON of the response.
func Get[T any](a *API, path string) (*T, error) {
	body, err := a.get(path)
	if err != nil {
		return nil, err
	}
	value := new(T)
	return value, json.Unmarshal(body, value)
}

// Metric returns the sum of the series in /metrics that start with the given prefix and contain every given label. It fails the test if
// there is no such series.
func (a *API) Metric(tb testing.TB, prefix string, labels ...string) float64 {
	tb.Helper()
	sum, found := a.sum(tb, prefix, labels...)
	if !found {
		tb.Fatalf("/metrics has no %s %v", prefix, labels)
	}
	return sum
}

// Count returns the sum of the series of a counter that contain every given label, or 0 if there is no such series.
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

// Names of the proxy's counters.
const (
	RequestsMetric  = "rollcall_proxy_requests_total"
	AttemptsMetric  = "rollcall_proxy_attempts_total"
	RetriesMetric   = "rollcall_proxy_retries_total"
	EjectionsMetric = "rollcall_proxy_ejections_total"
)

// Expired returns the number of servers that the API server has expired since its start.
func (a *API) Expired(tb testing.TB) int {
	tb.Helper()
	return int(a.Metric(tb, "rollcall_transitions_total{", `type="expired"`))
}

// Await calls the function holds every 20 ms until it returns true, and returns how long that took. If that takes longer than the given
// limit, Await fails the test at once and prints the last lines of the log.
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

// AwaitNormal waits until the mode of the API server is normal and its list has all servers with the given ids. It returns how long that
// took.
func (a *API) AwaitNormal(tb testing.TB, within time.Duration, ids ...string) time.Duration {
	tb.Helper()
	return a.Await(tb, within, fmt.Sprintf("mode normal, and %d servers listed", len(ids)), func() bool {
		st, err := a.Status()
		return err == nil && st.Mode == events.ModeNormal && st.Servers.Alive >= len(ids) && a.Lists(ids...)
	})
}

// Lists reports whether /v1/servers lists all servers with the given ids.
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
