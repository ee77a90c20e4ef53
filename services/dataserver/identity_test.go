package dataserver_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/dataserver"
)

func identity(h http.Handler) http.Header {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	return w.Header()
}

func TestIdentifySetsServiceAndIncarnation(t *testing.T) {
	t.Parallel()
	p := newRecorder()
	a := mustAgent(t, dataserver.Config{ID: "a", Service: "billing", Addr: addr, Publisher: p})
	if got := identity(a.Health()).Get(events.IncarnationHeader); got != "0" {
		t.Errorf("incarnation %q before Run, want 0", got)
	}
	r := start(t, a.Run)
	fixture.Eventually(t, 10*time.Second, "a message is published", func() bool { return len(p.all()) > 0 })
	h := identity(a.Identify(a.Health())) // the identity is set only once
	want := strconv.FormatInt(p.last(t).Incarnation, 10)
	for header, want := range map[string]string{events.IdentityHeader: "a", events.ServiceHeader: "billing", events.IncarnationHeader: want} {
		if got := h.Values(header); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: got %q, want %q once", header, got, want)
		}
	}
	mustStop(t, r)
	if ms, err := strconv.ParseInt(want, 10, 64); err != nil || time.Since(time.UnixMilli(ms)) > time.Minute {
		t.Errorf("incarnation %q, want the start of Run in Unix milliseconds", want)
	}
}

func TestSeveralIdentitiesInOneResponse(t *testing.T) {
	t.Parallel()
	agent := func(service, id string) *dataserver.Agent {
		return mustAgent(t, dataserver.Config{ID: id, Service: service, Addr: addr, Publisher: newRecorder()})
	}
	for name, agents := range map[string][]*dataserver.Agent{
		"different ids": {agent("one", "a"), agent("two", "b")},
		"the same id":   {agent("one", ""), agent("two", "")},
		"one service":   {agent("one", "a"), agent("one", "b")},
	} {
		t.Run(name, func(t *testing.T) {
			h := identity(agents[0].Identify(agents[1].Identify(agents[0].Health())))
			ids, services, incarnations := h.Values(events.IdentityHeader), h.Values(events.ServiceHeader), h.Values(events.IncarnationHeader)
			if len(ids) != 2 || len(services) != 2 || len(incarnations) != 2 {
				t.Fatalf("got %q, %q and %q, want two of each", ids, services, incarnations)
			}
			if ids[0] != agents[0].ID() || ids[1] != agents[1].ID() || services[0] != "one" {
				t.Errorf("got ids %q of services %q", ids, services)
			}
		})
	}
}

func TestServerSetsIdentitiesOfAlso(t *testing.T) {
	t.Parallel()
	also := mustAgent(t, dataserver.Config{ID: "m", Service: "metrics", Addr: addr, Publisher: newRecorder()})
	_, base := startServer(t, dataserver.ServerConfig{
		Agent: dataserver.Config{ID: "a", Publisher: newRecorder()}, Also: []*dataserver.Agent{also},
	})
	for _, path := range []string{"/", "/healthz"} {
		resp, _ := get(t, base+path, "")
		ids, services := resp.Header.Values(events.IdentityHeader), resp.Header.Values(events.ServiceHeader)
		if !slices.Equal(ids, []string{"m", "a"}) || !slices.Equal(services, []string{"metrics", "data"}) {
			t.Errorf("%s: got the ids %s of %s, want m and a of metrics and data", path, strings.Join(ids, ", "), strings.Join(services, ", "))
		}
	}
}
