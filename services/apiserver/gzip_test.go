package apiserver_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/services/apiserver"
)

func TestLongResponsesAreCompressed(t *testing.T) {
	r := mustHarness(t)
	r.fill(1001)
	for _, target := range []string{"/v1/servers", "/v1/services", "/v1/prometheus/targets"} {
		plain, zipped := r.do("GET", target), do(r.server, "GET", target, "Accept-Encoding", "gzip, br")
		if got := zipped.Header().Get("Content-Encoding"); got != "gzip" || plain.Header().Get("Content-Encoding") != "" {
			t.Fatalf("%s: Content-Encoding %q", target, got)
		}
		if plain.Header().Get("Vary") != "Accept-Encoding" || zipped.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: Vary %q and %q", target, plain.Header().Get("Vary"), zipped.Header().Get("Vary"))
		}
		if got, want := zipped.Header().Get("Content-Length"), strconv.Itoa(zipped.Body.Len()); got != want {
			t.Errorf("%s: Content-Length %s, want %s", target, got, want)
		}
		body, err := gzip.NewReader(zipped.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil || string(text) != plain.Body.String() {
			t.Errorf("%s: %v, or another text", target, err)
		}
	}
	if w := r.do("GET", "/v1/servers?service=data", "Accept-Encoding", "gzip"); w.Header().Get("Content-Encoding") != "" {
		t.Errorf("a list of %d bytes is compressed", w.Body.Len())
	}
}

func TestAcceptEncoding(t *testing.T) {
	r := mustHarness(t)
	r.fill(10)
	r.ready = errNoNSQD // a list that is not empty does not depend on it
	for accepted, want := range map[string]string{
		"":                          "",
		"gzip":                      "gzip",
		"GZIP":                      "gzip",
		"x-gzip":                    "gzip",
		"br, gzip":                  "gzip",
		"deflate,gzip;q=0.5":        "gzip",
		"gzip;q=1.0, identity; q=0": "gzip",
		"*":                         "gzip",
		"*;q=0.1":                   "gzip",
		"gzip;q=0":                  "",
		"gzip; q=0.000":             "",
		"*;q=0":                     "",
		"gzip;q=0, *":               "",
		"*, gzip;q=0":               "",
		"gzip;q=x":                  "",
		"identity":                  "",
		"br":                        "",
		"gzipped":                   "",
	} {
		if got := do(r.server, "GET", "/v1/servers", "Accept-Encoding", accepted).Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q, want %q", accepted, got, want)
		}
	}
}

// HEAD has the header of GET and no body.
func TestHeadOfLists(t *testing.T) {
	r := mustHarness(t)
	r.fill(1001)
	if w := do(r.server, "HEAD", "/v1/servers"); w.Body.Len() > 0 {
		t.Errorf("wrote a body of %d bytes, which net/http would drop", w.Body.Len())
	}
	base, _ := r.mustRun()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for _, accepted := range []string{"identity", "gzip"} {
		header := func(method string) (h http.Header, length int64, body int64) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), method, base+"/v1/servers", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", accepted)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err = io.Copy(io.Discard, resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp.Header, resp.ContentLength, body
		}
		get, length, body := header("GET")
		head, headLength, none := header("HEAD")
		if body != length || headLength != length || none != 0 {
			t.Errorf("%s: GET has %d bytes, Content-Length %d; HEAD has %d bytes, Content-Length %d", accepted, body, length, none, headLength)
		}
		for _, name := range []string{"ETag", "Content-Type", "Content-Encoding", "Vary"} {
			if get.Get(name) != head.Get(name) {
				t.Errorf("%s: %s is %q for GET and %q for HEAD", accepted, name, get.Get(name), head.Get(name))
			}
		}
	}
}

// A request for a compressed list uses the plain list meanwhile, so it must not wait for memory.
func TestCompressedListNeedsNoFurtherRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustHarness(t, func(c *apiserver.Config) { c.ListBytes = 1 })
		r.fill(1001)
		begun := time.Now()
		w := do(r.server, "GET", "/v1/servers", "Accept-Encoding", "gzip")
		if w.Code != http.StatusOK || time.Since(begun) > time.Second {
			t.Errorf("status %d after %v", w.Code, time.Since(begun))
		}
	})
}
