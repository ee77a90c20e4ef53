package apiserver_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/services/registry"
)

func TestMetrics(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	if err := r.metrics.Register(r.server); err != nil {
		t.Fatal(err)
	}
	r.do("GET", "/v1/servers")
	r.do("GET", "/v1/servers")
	r.do("GET", "/v1/servers?index=1")
	r.do("GET", "/v1/servers?zone=")
	r.do("GET", "/v1/servers/data/nobody")
	r.do("GET", "/nowhere")
	w := r.do("GET", "/metrics")
	lines := strings.Split(w.Body.String(), "\n")
	for _, want := range []string{
		`rollcall_servers{service="data",state="alive"} 1`,
		`rollcall_servers{service="data",state="draining"} 1`,
		`rollcall_servers{service="data",state="suspect"} 0`,
		`rollcall_servers{service="web",state="suspect"} 1`,
		`rollcall_registry_heartbeats_total{result="taken"} 5`,
		`rollcall_registry_heartbeats_total{result="stale"} 0`,
		`rollcall_transitions_total{reason="heartbeat",type="registered"} 3`,
		`rollcall_transitions_total{reason="silent",type="suspected"} 1`,
		`rollcall_transitions_total{reason="unreachable",type="suspected"} 0`,
		`rollcall_transitions_total{reason="ttl",type="expired"} 0`,
		`rollcall_transitions_total{reason="refused",type="expired"} 0`,
		`rollcall_outbox_events 4`,
		`rollcall_outbox_dropped_total 0`,
		`rollcall_revision 4`,
		`rollcall_mailbox_heartbeats 0`,
		`rollcall_nsqd_connected{nsqd="10.0.0.1:4150"} 1`,
		`rollcall_nsqd_connected{nsqd="10.0.0.2:4150"} 0`,
		`rollcall_nsqd_messages_total{nsqd="10.0.0.1:4150"} 7`,
		`rollcall_http_requests_total{code="200",route="/v1/servers"} 2`,
		`rollcall_http_requests_total{code="200",route="/v1/servers?index"} 1`,
		`rollcall_http_requests_total{code="400",route="/v1/servers"} 1`,
		`rollcall_http_requests_total{code="404",route="/v1/servers/{service}/{id}"} 1`,
		`rollcall_http_requests_total{code="404",route="other"} 1`,
		`rollcall_http_request_seconds_count{code="200",route="/v1/servers"} 2`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %s", want)
		}
	}
	if t.Failed() {
		t.Log(w.Body)
	}
}

func TestServiceLabelIsLimited(t *testing.T) {
	r := mustHarness(t)
	r.metrics.MustRegister(r.server)
	count := func() (values int, other string) {
		t.Helper()
		for line := range strings.Lines(r.do("GET", "/metrics").Body.String()) {
			if strings.HasPrefix(line, "rollcall_servers{") && strings.Contains(line, `state="alive"`) {
				values++
			}
			if value, found := strings.CutPrefix(line, `rollcall_servers{service="other",state="alive"} `); found {
				other = strings.TrimSpace(value)
			}
		}
		return values, other
	}
	r.fill(1500)
	if values, other := count(); values != 1001 || other != "501" {
		t.Errorf("%d values of the label service, %q servers in other; want 1001 and 501", values, other)
	}
	r.tick(2 * time.Minute) // all servers expire
	r.deliver(2*time.Minute, heartbeat("new", "one", "10.0.0.9:80", 1))
	if values, other := count(); values != 1 || other != "" {
		t.Errorf("%d values of the label service and %q servers in other, want only the registered services", values, other)
	}
}

func TestScrapesAtTheSameTimeShareTheirFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t)
		source := &held{open: make(chan struct{})}
		r.metrics.MustRegister(r.server, source)
		responses := make(chan *httptest.ResponseRecorder, 5)
		scrape := func() { responses <- do(r.server, "GET", "/metrics") }
		for range cap(responses) {
			go scrape()
		}
		synctest.Wait()
		close(source.open)
		for range cap(responses) {
			if w := <-responses; w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "rollcall_revision ") {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		}
		if calls := source.calls.Load(); calls != 1 {
			t.Errorf("collected %d times for 5 scrapes, want once", calls)
		}
		if scrape(); source.calls.Load() != 2 {
			t.Error("a later scrape did not collect again")
		}
	})
}

func TestScrapeWithoutRegistry(t *testing.T) {
	for name, within := range map[string]time.Duration{"stopped": 0, "hung": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := mustHarness(t)
				server := r.server
				if name == "hung" {
					hung, err := registry.New(registry.Config{Observer: "api-1"}) // Run is never called, so this registry does not respond
					if err != nil {
						t.Fatal(err)
					}
					server = r.mustServer(hung)
				} else {
					r.stop()
				}
				if err := r.metrics.Register(server); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				w := do(server, "GET", "/metrics")
				if took := time.Since(begun); w.Code != http.StatusOK || took != within {
					t.Errorf("status %d after %v", w.Code, took)
				}
				if body := w.Body.String(); !strings.Contains(body, "rollcall_nsqd_connected") || strings.Contains(body, "rollcall_revision ") {
					t.Errorf("got %s", body)
				}
			})
		})
	}
}
