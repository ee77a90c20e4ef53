package apiserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"rollcall/events"
)

// discard is a ResponseWriter that discards the body.
type discard struct {
	header http.Header
	bytes  int
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { d.bytes += len(b); return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

func BenchmarkListServers(b *testing.B) {
	for _, servers := range []int{10, 10_000} {
		r := mustHarness(b)
		for i := range servers {
			h := heartbeat("data", fmt.Sprintf("%032x", i), fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255), 1)
			h.Zone, h.Version, h.Tags = "a", "1.4.2", []string{"blue"}
			h.Meta, h.Load = events.NewMeta(map[string]string{"rack": "r7"}), &events.Load{InFlight: 3}
			r.deliver(time.Second, h)
		}
		r.tick(6 * time.Second)
		etag := r.do("GET", "/v1/servers").Header().Get("ETag")
		run := func(name, target, known string, want int) {
			b.Run(fmt.Sprintf("%s/servers=%d", name, servers), func(b *testing.B) {
				handler, req := r.server.Handler(), httptest.NewRequest("GET", target, nil)
				if known != "" {
					req.Header.Set("If-None-Match", known)
				}
				b.ReportAllocs()
				for b.Loop() {
					w := &discard{header: make(http.Header)}
					if handler.ServeHTTP(w, req); w.status != want {
						b.Fatal(w.status)
					}
					b.SetBytes(int64(w.bytes))
				}
			})
		}
		run("all", "/v1/servers", "", http.StatusOK)
		run("one", "/v1/servers?meta.rack=r8", "", http.StatusOK)
		run("unchanged", "/v1/servers", etag, http.StatusNotModified)
	}
}
