package apiserver_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

func TestClientAgainstServer(t *testing.T) {
	r := mustHarness(t)
	base, _ := r.mustRun()
	ctx := t.Context()
	c := mustClient(t, strings.TrimPrefix(base, "http://"))

	var p *apiserver.Problem
	if err := c.Ready(ctx); !errors.As(err, &p) || p.Status != 503 || !strings.Contains(p.Detail, "not complete") {
		t.Errorf("Ready while warming: %v", err)
	}
	r.populate()
	if err := c.Ready(ctx); err != nil {
		t.Errorf("Ready: %v", err)
	}
	list, err := c.Servers(ctx, apiserver.Query{
		Service: "data", State: events.StateAlive, Zone: "a", Tags: []string{"blue", "canary"},
		Meta: map[string]string{"rack": "r7", "note": "<script>\"é\"\u2028"},
	})
	if err != nil || list.Revision != 4 || list.Mode != registry.ModeWarming || len(list.Servers) != 1 {
		t.Fatalf("Servers: %+v, %v", list, err)
	}
	if s := list.Servers[0]; s.ID != "blue" || s.AgeMS != 2502 || s.Load == nil || s.Load.InFlight != 3 {
		t.Errorf("Servers: %+v", s)
	}
	one, err := c.Server(ctx, "web", "10.0.0.9:80")
	if err != nil || one.Server.State != events.StateSuspect || one.Summary == "" || len(one.Heartbeats) != 1 || len(one.Transitions) != 2 {
		t.Errorf("Server: %+v, %v", one, err)
	}
	services, err := c.Services(ctx, false)
	if err != nil || len(services.Services) != 2 || services.Services[1] != (apiserver.Service{Name: "web", Counts: apiserver.Counts{Suspect: 1}}) {
		t.Errorf("Services: %+v, %v", services, err)
	}
	status, err := c.Status(ctx)
	if err != nil || status.ID != "api-1" || status.Servers.Alive != 1 || !status.NSQD[1].LastMessage.IsZero() {
		t.Errorf("Status: %+v, %v", status, err)
	}
}

func TestClientLongPoll(t *testing.T) {
	watched := &watches{entered: make(chan struct{}, 8)}
	r := mustHarness(t, func(cfg *apiserver.Config) { watched.Registry, cfg.Registry = cfg.Registry, watched })
	r.populate()
	base, _ := r.mustRun()
	c := mustClient(t, base)
	go func() {
		<-watched.entered
		r.deliver(9*time.Second, heartbeat("data", "red", "10.0.0.1:80", 1))
	}()
	list, err := c.Servers(t.Context(), apiserver.Query{Index: r.index(""), Wait: time.Minute})
	if err != nil || list.Revision != 5 || len(list.Servers) != 4 {
		t.Errorf("got %+v, %v", list, err)
	}
	list, err = c.Servers(t.Context(), apiserver.Query{Index: list.Index, Wait: 10 * time.Millisecond})
	if err != nil || list.Revision != 5 {
		t.Errorf("at the end of the wait: %+v, %v", list, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err = c.Servers(ctx, apiserver.Query{Index: list.Index, Wait: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("at the end of its context: %v", err)
	}
}

func TestClientErrors(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	base, _ := r.mustRun()
	c := mustClient(t, base)
	_, err := c.Server(t.Context(), "data", "nobody")
	if !errors.Is(err, apiserver.ErrNotFound) || err.Error() != "apiserver: 404 Not Found: no such server: data/nobody: never registered" {
		t.Errorf("unknown server: %v", err)
	}
	_, err = c.Servers(t.Context(), apiserver.Query{Service: "No"})
	var p *apiserver.Problem
	if !errors.As(err, &p) || p.Status != 400 || !strings.Contains(p.Detail, "service") || errors.Is(err, apiserver.ErrNotFound) {
		t.Errorf("bad parameter: %v", err)
	}
	// An empty value may come from an unset variable in a script. It must not select every server.
	if _, err = c.Servers(t.Context(), apiserver.Query{Meta: map[string]string{"rack": ""}}); !errors.As(err, &p) || p.Status != 400 {
		t.Errorf("empty meta: %v", err)
	}
}

func TestClientErrorResponses(t *testing.T) {
	for _, tt := range []struct{ name, contentType, body, want string }{
		{"an HTML page of a proxy", "text/html", " <h1>Bad Gateway</h1>\n", `apiserver: 502 Bad Gateway: "<h1>Bad Gateway</h1>"`},
		{"an empty body", "", "", `apiserver: 502 Bad Gateway: ""`},
		{"a problem cut short", "application/problem+json", `{"status":5`, `apiserver: 502 Bad Gateway: "{\"status\":5"`},
		{"a problem with another status", "application/problem+json", `{"status":404}`, `apiserver: 502 Bad Gateway: "{\"status\":404}"`},
		{"a problem", "application/problem+json; charset=utf-8", `{"title":"t","status":502,"detail":"d"}`, `apiserver: 502 t: d`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.WriteHeader(http.StatusBadGateway)
				_, _ = io.WriteString(w, tt.body)
			}))
			t.Cleanup(srv.Close)
			if _, err := mustClient(t, srv.URL).Status(t.Context()); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestClientRejectsInvalidJSON(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	t.Cleanup(srv.Close)
	if _, err := mustClient(t, srv.URL).Status(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "apiserver: response to /v1/status: ") {
		t.Errorf("got %v", err)
	}
}

func TestNewClientAddresses(t *testing.T) {
	for base, ok := range map[string]bool{
		"127.0.0.1:4180":                true,
		"localhost:4180":                true,
		"[::1]:4180":                    true,
		"http://127.0.0.1:4180/":        true,
		"https://api.example/rollcall/": true,
		"":                              false,
		"ftp://api":                     false,
		"http://":                       false,
		"http://api?x=1":                false,
		"127.0.0.1:port":                false,
	} {
		if _, err := apiserver.NewClient(base, nil); (err == nil) != ok {
			t.Errorf("%q: %v", base, err)
		}
	}
}
