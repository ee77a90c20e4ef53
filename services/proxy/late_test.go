package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/proxy"
)

// The response timeout applies to the header of a response, not to its body.
func TestResponseTimeoutEndsWithHeader(t *testing.T) {
	f := start(t, func(c *proxy.Config) { c.ResponseTimeout = 150 * time.Millisecond }, server("a", backend(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		_ = control.Flush()
		_, _ = io.Copy(io.Discard, r.Body)
		for range 10 {
			_, _ = io.WriteString(w, "x")
			_ = control.Flush()
			fixture.Sleep(50 * time.Millisecond)
		}
	})))
	body, feed := io.Pipe()
	req, _ := http.NewRequest(http.MethodPost, f.url("/data/x"), body)
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.WriteString(feed, "hello")
	_ = feed.Close()
	if all, err := io.ReadAll(resp.Body); err != nil || len(all) != 10 {
		t.Errorf("got %q, %v", all, err)
	}
	if n := f.failures(); n != 0 {
		t.Errorf("%v failures of the server, want none", n)
	}
}

// The proxy sets a write deadline at the start of a request. This deadline does not cut off a response that begins later.
func TestSlowResponseWithoutBody(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"204":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"empty": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") },
		"hints": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, "hi")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(c *proxy.Config) { c.StallTimeout = 100 * time.Millisecond }, server("a", backend(t, func(w http.ResponseWriter, r *http.Request) {
				fixture.Sleep(300 * time.Millisecond)
				handler(w, r)
			})))
			req, _ := http.NewRequest(http.MethodPost, f.url("/data/x"), strings.NewReader("b"))
			resp, err := client(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		})
	}
}
