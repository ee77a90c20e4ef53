package apiserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/services/apiserver"
)

// register registers 700 servers of the service data, which need several blocks, and servers of services whose names are next to it.
func (r *harness) register() (all []string) {
	r.t.Helper()
	add := func(service, id string) {
		h := heartbeat(service, id, fmt.Sprintf("10.0.%d.%d:80", len(all)>>8, len(all)&255), 1)
		if h.Zone = "a"; len(all)%3 == 0 {
			h.Zone = "b"
		}
		r.deliver(time.Second, h)
		all = append(all, service+"/"+id)
	}
	add("cache", "z")
	for i := range 700 {
		add("data", fmt.Sprintf("%04d", i))
	}
	add("data-2", "a/b")
	add("web", "a")
	r.tick(6 * time.Second)
	return all
}

func TestPagesHaveEveryServerOnce(t *testing.T) {
	r := mustHarness(t)
	all := r.register()
	base, _ := r.mustRun()
	client := mustClient(t, base)
	for _, tt := range []struct {
		name string
		q    apiserver.Query
		want []string
	}{
		{"pages of one block and more", apiserver.Query{Limit: 300}, all},
		{"pages of a part of a block", apiserver.Query{Limit: 7}, all},
		{"the last page is full", apiserver.Query{Service: "data", Limit: 350}, all[1:701]},
		{"one page", apiserver.Query{Limit: len(all)}, all},
		{"a limit that is larger than the list", apiserver.Query{Limit: 5000}, all},
		{"no limit", apiserver.Query{}, all},
		{"one service", apiserver.Query{Service: "data-2", Limit: 1}, all[701:702]},
		{"a filter", apiserver.Query{Zone: "b", Limit: 50}, everyThird(all)},
		{"after a server that does not exist", apiserver.Query{After: "data/0650x", Limit: 20}, all[652:]},
		{"after a service that does not exist", apiserver.Query{After: "data-1/x"}, all[701:]},
		{"after the last server", apiserver.Query{After: "web/a"}, nil},
		{"after another service", apiserver.Query{Service: "cache", After: "data/0001"}, nil},
		{"after an earlier service", apiserver.Query{Service: "web", After: "data/0001"}, all[702:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for q := tt.q; ; {
				list, err := client.Servers(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				if q.Limit > 0 && len(list.Servers) > q.Limit || list.Next != "" && len(list.Servers) != q.Limit {
					t.Errorf("a page of %d servers, want %d", len(list.Servers), q.Limit)
				}
				for _, s := range list.Servers {
					got = append(got, s.Key())
				}
				if q.After = list.Next; q.After == "" {
					break
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%d servers, want %d; got %v", len(got), len(tt.want), got)
			}
		})
	}
}

func everyThird(all []string) (some []string) {
	for i := 0; i < len(all); i += 3 {
		some = append(some, all[i])
	}
	return some
}

func TestFields(t *testing.T) {
	r := mustHarness(t)
	r.populate()
	for query, want := range map[string]string{
		"?fields=addr":                                `[{"addr":"10.0.0.7:8080"},{"addr":"10.0.0.8:8080"},{"addr":"10.0.0.9:80"}]`,
		"?fields=id,service&service=data":             `[{"service":"data","id":"blue"},{"service":"data","id":"green"}]`,
		"?fields=load&service=data&limit=1":           `[{"load":{"in_flight":3}}]`,
		"?fields=load,last_probe&service=web":         `[{}]`,
		"?fields=seq,state,seq&service=data":          `[{"state":"alive","seq":2},{"state":"draining","seq":2}]`,
		"?fields=addr&zone=none":                      ``,
		"?fields=age_ms,weight&service=data&tag=blue": `[{"weight":100,"age_ms":2502}]`,
	} {
		w := r.do("GET", "/v1/servers"+query)
		if want == "" {
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"servers":[]`) {
				t.Errorf("%s: %s", query, w.Body)
			}
			continue
		}
		var list struct{ Servers json.RawMessage }
		mustDecode(t, w.Body.Bytes(), &list)
		if string(list.Servers) != want {
			t.Errorf("%s: got %s, want %s", query, list.Servers, want)
		}
	}
	if a, b := r.do("GET", "/v1/servers?fields=addr").Header().Get("ETag"), r.do("GET", "/v1/servers").Header().Get("ETag"); a == b {
		t.Errorf("the ETag %s does not depend on fields", a)
	}
}
