package proxy

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// Retries add at most a fifth to the requests, plus 10 a second and 100 in all, even if all servers fail.
func TestNoRetryStorm(t *testing.T) {
	t.Parallel()
	const servers = 20
	s := harness.NewSite(t, 1)
	a := s.StartAPI("api-1")
	lasts := harness.ShortOrLong(3*time.Second, 30*time.Second)
	for _, kind := range []struct {
		name string
		spec harness.BackendSpec
	}{
		{"all respond with 500", harness.BackendSpec{Service: "broken", Status: http.StatusInternalServerError}},
		{"all respond with 503", harness.BackendSpec{Service: "busy", Status: http.StatusServiceUnavailable}},
		{"a third of the requests is reset", harness.BackendSpec{Service: "resets", Resets: 0.3}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			service := fmt.Sprintf("service=%q", kind.spec.Service)
			b := s.StartBackends(servers, kind.spec)
			a.Await(t, 10*time.Second, "every server is listed", func() bool { return a.Lists(b.IDs()...) })
			l := harness.StartLoad(t, harness.LoadSpec{Proxies: []string{a.Proxy}, Service: b.Spec.Service, Status: b.Spec.Status, Check: b.Check})
			fixture.Sleep(lasts)
			l.Stop()
			fixture.Sleep(loadTime / 3) // wait, because the proxy counts a request only after its response
			failed, requests, attempts := l.Failed(t, kind.name), len(l.All()), b.Requests(t)
			most := requests
			if kind.spec.Resets == 0 {
				harness.AtMost(t, kind.name+": responses that did not come from the server", failed, 0)
			} else {
				most += requests/5 + 10*int(lasts.Seconds()) + 100
				if attempts == requests {
					t.Errorf("%s: no request was retried", kind.name)
				}
			}
			harness.AtMost(t, fmt.Sprintf("%s: attempts for %d requests", kind.name, requests), attempts, most)
			ejections := a.Count(t, harness.EjectionsMetric, service)
			t.Logf("%s: %v ejections", kind.name, ejections)
			if ejects := kind.spec.Status == http.StatusServiceUnavailable; ejects != (ejections > 0) && kind.spec.Resets == 0 {
				t.Errorf("%s: %v ejections, want some: %v", kind.name, ejections, ejects)
			}
			for name, want := range map[string]int{harness.RequestsMetric: requests, harness.AttemptsMetric: attempts, harness.RetriesMetric: attempts - requests} {
				if got := int(a.Count(t, name, service)); got != want {
					t.Errorf("%s: %s is %d, want %d", kind.name, name, got, want)
				}
			}
			b.Terminate()
		})
	}
}
