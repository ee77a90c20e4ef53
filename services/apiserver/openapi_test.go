package apiserver_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall/events"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

// openAPI compares responses with openapi.yaml.
type openAPI struct {
	doc    *openapi3.T
	routes *http.ServeMux  // finds the path in openapi.yaml that matches a request
	seen   map[string]bool // statuses and members that the method check has seen; if nil, check does not record them
}

func mustOpenAPI(t testing.TB, s *apiserver.Server) *openAPI {
	t.Helper()
	w := do(s, "GET", "/openapi.yaml")
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != "application/yaml" {
		t.Fatalf("openapi.yaml: status %d, content type %q", w.Code, got)
	}
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	o := &openAPI{doc: doc, routes: http.NewServeMux()}
	for path := range doc.Paths.Map() {
		o.routes.Handle("GET "+path, http.NotFoundHandler())
	}
	return o
}

// check fails the test if the response to a request differs from openapi.yaml.
func (o *openAPI) check(t testing.TB, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	const clientGone = 499
	_, pattern := o.routes.Handler(r)
	_, path, _ := strings.Cut(pattern, " ")
	noRoute := w.Code == http.StatusNotFound && strings.Contains(w.Body.String(), "no such path")
	if path == "" || r.Method != http.MethodGet || w.Code == clientGone || noRoute {
		return // openapi.yaml does not describe this request
	}
	response := o.doc.Paths.Value(path).Get.Responses.Status(w.Code)
	if response == nil {
		t.Errorf("%s: status %d is not in openapi.yaml", path, w.Code)
		return
	}
	where := fmt.Sprintf("%s %d", path, w.Code)
	o.record(where)
	for name, header := range response.Value.Headers {
		if header.Value.Required && w.Header().Get(name) == "" {
			t.Errorf("%s: header %s is missing", where, name)
		}
	}
	mediaType, _, _ := mime.ParseMediaType(w.Header().Get("Content-Type"))
	content := response.Value.Content.Get(mediaType)
	switch {
	case content == nil && w.Body.Len() == 0:
		return
	case content == nil:
		t.Errorf("%s: content type %q is not in openapi.yaml", where, mediaType)
		return
	}
	var value any = w.Body.String()
	if strings.HasSuffix(mediaType, "json") {
		mustDecode(t, w.Body.Bytes(), &value)
	}
	if err := content.Schema.Value.VisitJSON(value, openapi3.MultiErrors()); err != nil {
		t.Errorf("%s: %v", where, err)
	}
	o.members(t, where, content.Schema.Value, value)
}

func (o *openAPI) record(what string) {
	if o.seen != nil {
		o.seen[what] = true
	}
}

// members records the JSON members of a value as seen, and fails the test for each member that the schema lacks.
func (o *openAPI) members(t testing.TB, where string, schema *openapi3.Schema, value any) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			o.members(t, where+"[]", schema.Items.Value, item)
		}
	case map[string]any:
		known := properties(schema)
		for name, member := range value {
			switch {
			case known[name] != nil:
				o.record(where + "." + name)
				o.members(t, where+"."+name, known[name], member)
			case schema.AdditionalProperties.Schema == nil:
				t.Errorf("%s.%s is not in openapi.yaml", where, name)
			}
		}
	}
}

// documented lists what openapi.yaml contains: each path with each status, and each member of the responses.
func (o *openAPI) documented() (all []string) {
	var walk func(where string, schema *openapi3.Schema)
	walk = func(where string, schema *openapi3.Schema) {
		if schema.Items != nil {
			walk(where+"[]", schema.Items.Value)
		}
		for name, member := range properties(schema) {
			all = append(all, where+"."+name)
			walk(where+"."+name, member)
		}
	}
	for path, item := range o.doc.Paths.Map() {
		for status, response := range item.Get.Responses.Map() {
			where := path + " " + status
			all = append(all, where)
			for _, content := range response.Value.Content {
				walk(where, content.Schema.Value)
			}
		}
	}
	slices.Sort(all)
	return all
}

func properties(schema *openapi3.Schema) map[string]*openapi3.Schema {
	all := make(map[string]*openapi3.Schema)
	for name, member := range schema.Properties {
		all[name] = member.Value
	}
	for _, part := range schema.AllOf {
		maps.Copy(all, properties(part.Value))
	}
	return all
}

// complete is a registry whose responses have every member. If complete.err is not nil, the methods return this error instead.
type complete struct{ err error }

func (c complete) server() *events.Server {
	at := start()
	return &events.Server{
		Service: "data", ID: "blue", Addr: "10.0.0.7:8080", State: events.StateAlive, Tags: []string{"blue"},
		Meta: events.NewMeta(map[string]string{"rack": "r7"}), Load: &events.Load{InFlight: 1}, RegisteredAt: at, LastSeen: at, LastProbe: at,
	}
}

func (c complete) Members(context.Context) (*registry.Membership, error) {
	other := c.server()
	other.ID = "green"
	m := registry.NewMembership([]*events.Server{c.server(), other})
	m.Revision, m.Mode, m.Complete = 1, registry.ModeNormal, true
	return m, c.err
}

func (c complete) Vitals(context.Context, []*registry.Block, time.Time, []registry.Vitals) ([]registry.Vitals, error) {
	s := c.server()
	v := registry.Vitals{LastSeen: s.LastSeen, LastProbe: s.LastProbe, Load: s.Load}
	return []registry.Vitals{v, v}, c.err
}

func (c complete) Explain(context.Context, string, string, time.Time) (*registry.Explanation, error) {
	return &registry.Explanation{
		Server: *c.server(), Summary: "alive", Mode: registry.ModeNormal, Heartbeats: make([]registry.ReceivedHeartbeat, 1),
		Probes:      []registry.ProbeResult{{Finding: registry.FindingSilent, Source: registry.SourceProbe}},
		Transitions: []registry.Change{{Type: events.TypeRegistered, Reason: events.CauseHeartbeat}},
		Ignored:     &registry.Ignored{Count: 1},
	}, c.err
}

func (c complete) Watch(context.Context) <-chan *registry.Membership                { return nil }
func (c complete) WatchService(context.Context, string) <-chan *registry.Membership { return nil }

func (c complete) Stats(context.Context) (registry.Stats, error) {
	return registry.Stats{
		Mode: registry.ModeNormal, ModeSince: start(), Complete: true, Conflict: &registry.Conflict{Detail: "another"},
		NSQD: []registry.NSQD{{Address: "10.0.0.1:4150", Reception: registry.NSQDReceiving}},
	}, c.err
}

// held is a collector that waits until the channel held.open is closed.
type held struct {
	open  chan struct{}
	calls atomic.Int64
}

func (h *held) Describe(chan<- *prometheus.Desc) {}
func (h *held) Collect(chan<- prometheus.Metric) { h.calls.Add(1); <-h.open }

// The responses in this test have every status and every member of openapi.yaml, and no others. The other tests of this package compare
// their responses with openapi.yaml too; see harness.do.
func TestOpenAPIHoldsForEveryResponse(t *testing.T) {
	r := mustHarness(t)
	serve := func(err error, collectors ...prometheus.Collector) *apiserver.Server {
		return r.mustServer(complete{err}, func(c *apiserver.Config) {
			c.Pick = func(context.Context, string, string, string) (*events.Server, error) { return complete{}.server(), err }
			c.Events = func() apiserver.EventsState {
				return apiserver.EventsState{FailingSince: start(), Err: errors.New("no nsqd is connected")}
			}
			c.Nodes = func() []apiserver.Node {
				return []apiserver.Node{{Address: "10.0.0.1:4150", LastMessage: start(), Loss: 0.5, Error: "EOF"}}
			}
			metrics := prometheus.NewRegistry()
			metrics.MustRegister(collectors...)
			c.Gatherer = metrics
		})
	}
	healthy := serve(nil)
	failing, stopped, unknown := serve(errors.New("broken")), serve(registry.ErrStopped), serve(registry.ErrNotFound)
	o := mustOpenAPI(t, healthy)
	o.seen = make(map[string]bool)
	get := func(s *apiserver.Server, target string, body *strings.Reader, header ...string) {
		req := httptest.NewRequest("GET", target, nil)
		if body != nil {
			req = httptest.NewRequest("GET", target, body)
		}
		if len(header) > 0 {
			req.Header.Set(header[0], header[1])
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		o.check(t, req, w)
	}
	for path := range o.doc.Paths.Map() {
		target := strings.NewReplacer("{service}", "data", "{id}", "blue").Replace(path)
		get(healthy, target, nil)
		get(failing, target, nil)
		get(stopped, target, nil)
		get(healthy, target, strings.NewReader(strings.Repeat("x", 64<<10+1)))
		broken := httptest.NewRequest("GET", target, iotest.ErrReader(errors.New("reset")))
		w := httptest.NewRecorder()
		healthy.Handler().ServeHTTP(w, broken)
		o.check(t, broken, w)
	}
	get(healthy, "/v1/servers?limit=1", nil)
	get(unknown, "/v1/servers/data/blue", nil)
	get(healthy, "/v1/servers", nil, "If-None-Match", do(healthy, "GET", "/v1/servers").Header().Get("ETag"))
	scrapes := &held{open: make(chan struct{})}
	busy, responses := serve(nil, scrapes), make(chan *httptest.ResponseRecorder, 11)
	for range cap(responses) { // the API server refuses one of these scrapes while the others wait
		go func() { responses <- do(busy, "GET", "/metrics") }()
	}
	o.check(t, httptest.NewRequest("GET", "/metrics", nil), <-responses)
	close(scrapes.open)
	for range cap(responses) - 1 {
		<-responses
	}
	for _, what := range o.documented() {
		if !o.seen[what] {
			t.Errorf("%s is in openapi.yaml, and no response has it", what)
		}
	}
}
