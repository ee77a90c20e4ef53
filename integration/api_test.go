package integration

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
)

// api is an API server as its users see it: over HTTP.
type api struct {
	addr  string
	proxy string // its address too
	http  *http.Client
	tail  func(lines int) string // of the log
}

// newAPI asks nothing yet.
func newAPI(tb testing.TB, addr, proxy string, tail func(lines int) string) *api {
	tb.Helper()
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	return &api{addr: addr, proxy: proxy, http: &http.Client{Transport: transport, Timeout: 2 * time.Second}, tail: tail}
}

func (a *api) live() bool { return a.check("/livez") == nil }

// ready tells what /readyz says.
func (a *api) ready() bool { return a.check("/readyz") == nil }

func (a *api) check(path string) error {
	_, err := a.get(path)
	return err
}

// apiStatus is what the tests want of GET /v1/status.
type apiStatus struct {
	Mode     events.Mode
	Revision uint64
	Servers  struct{ Alive, Suspect, Draining int }
	Outbox   struct {
		Length  int
		Dropped uint64
	}
	NSQD []apiNode
}

type apiNode struct {
	Address   string
	Connected bool
	Reception string   // receiving or silent
	LagMS     *float64 `json:"lag_ms"`
	Received  uint64
}

func (s *apiStatus) node(addr string) apiNode {
	for _, n := range s.NSQD {
		if n.Address == addr {
			return n
		}
	}
	return apiNode{}
}

func (a *api) status() (*apiStatus, error) { return ask[apiStatus](a, "/v1/status") }

func (a *api) servers() ([]*events.Server, error) {
	list, err := ask[struct{ Servers []*events.Server }](a, "/v1/servers")
	if err != nil {
		return nil, err
	}
	return list.Servers, nil
}

// errRefused is an answer with another status than 200.
var errRefused = errors.New("refused")

func (a *api) get(path string) ([]byte, error) {
	resp, err := a.http.Get("http://" + a.addr + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %w: %s %s", path, errRefused, resp.Status, body)
	}
	return body, err
}

func ask[T any](a *api, path string) (*T, error) {
	body, err := a.get(path)
	if err != nil {
		return nil, err
	}
	answer := new(T)
	return answer, json.Unmarshal(body, answer)
}

// metric is the sum of the series of /metrics whose name begins so and that have all of these labels.
func (a *api) metric(tb testing.TB, prefix string, labels ...string) float64 {
	tb.Helper()
	sum, found := a.sum(tb, prefix, labels...)
	if !found {
		tb.Fatalf("/metrics has no %s %v", prefix, labels)
	}
	return sum
}

// count is the sum of the series of a counter that have all of these labels: 0 if nothing was counted yet.
func (a *api) count(tb testing.TB, name string, labels ...string) float64 {
	tb.Helper()
	sum, _ := a.sum(tb, name+"{", labels...)
	return sum
}

func (a *api) sum(tb testing.TB, prefix string, labels ...string) (sum float64, found bool) {
	tb.Helper()
	body, err := a.get("/metrics")
	must(tb, err)
	for text := range strings.Lines(string(body)) {
		if !strings.HasPrefix(text, prefix) || slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(text, l) }) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(text[strings.LastIndexByte(text, ' '):]), 64)
		must(tb, err)
		sum, found = sum+value, true
	}
	return sum, found
}

// Counters of the proxy.
const (
	requestsMetric  = "rollcall_proxy_requests_total"
	attemptsMetric  = "rollcall_proxy_attempts_total"
	retriesMetric   = "rollcall_proxy_retries_total"
	ejectionsMetric = "rollcall_proxy_ejections_total"
)

// expired counts the servers that this process expired since its start.
func (a *api) expired(tb testing.TB) int {
	tb.Helper()
	return int(a.metric(tb, "rollcall_transitions_total{", `type="expired"`))
}

// await asks a few times a second until the condition holds, and returns how long that took.
func (a *api) await(tb testing.TB, within time.Duration, what string, holds func() bool) time.Duration {
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

// awaitCalm returns when the API server is warm and lists the servers named, and maybe others.
func (a *api) awaitCalm(tb testing.TB, within time.Duration, ids ...string) time.Duration {
	tb.Helper()
	return a.await(tb, within, fmt.Sprintf("mode normal, and %d servers on the roll", len(ids)), func() bool {
		st, err := a.status()
		return err == nil && st.Mode == events.ModeNormal && st.Servers.Alive >= len(ids) && a.lists(ids...)
	})
}

// lists tells whether all of these are on the roll.
func (a *api) lists(ids ...string) bool {
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
