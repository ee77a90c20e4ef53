package integration

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Servers that fail get no more requests for it than a fifth more.
func TestNoRetryStorm(t *testing.T) {
	t.Parallel()
	const servers = 20
	s := newSite(t, 1)
	a := s.api("api-1")
	lasts := lasting(3*time.Second, 30*time.Second)
	for _, kind := range []struct {
		name string
		spec backendSpec
	}{
		{"all answer 500", backendSpec{Service: "broken", Status: http.StatusInternalServerError}},
		{"all answer 503", backendSpec{Service: "busy", Status: http.StatusServiceUnavailable}},
		{"a third is reset", backendSpec{Service: "resets", Resets: 0.3}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			service := fmt.Sprintf("service=%q", kind.spec.Service)
			b := s.backends(servers, kind.spec)
			a.await(t, 10*time.Second, "every server is listed", func() bool { return a.lists(b.ids()...) })
			l := startLoad(t, loadSpec{Proxies: []string{a.proxy}, Service: b.spec.Service, Status: b.spec.Status, Check: b.check})
			pass(lasts)
			l.stop()
			pass(settle / 3) // an answer is counted when it has been sent
			failed, requests, attempts := l.failed(t, kind.name), len(l.all()), b.requests(t)
			most := requests
			if kind.spec.Resets == 0 {
				row(t, kind.name+": answers that are not the server's own", failed, 0)
			} else {
				most += requests/5 + 10*int(lasts.Seconds()) + 100
				if attempts == requests {
					t.Errorf("%s: nothing was tried again", kind.name)
				}
			}
			row(t, fmt.Sprintf("%s: attempts for %d requests", kind.name, requests), attempts, most)
			ejections := a.count(t, ejectionsMetric, service)
			t.Logf("%s: %v ejections", kind.name, ejections)
			if ejects := kind.spec.Status == http.StatusServiceUnavailable; ejects != (ejections > 0) && kind.spec.Resets == 0 {
				t.Errorf("%s: %v ejections, want some: %v", kind.name, ejections, ejects)
			}
			for name, want := range map[string]int{requestsMetric: requests, attemptsMetric: attempts, retriesMetric: attempts - requests} {
				if got := int(a.count(t, name, service)); got != want {
					t.Errorf("%s: %s says %d, want %d", kind.name, name, got, want)
				}
			}
			b.end()
		})
	}
}
