package problem_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"rollcall/services/problem"
)

func TestWrite(t *testing.T) {
	for _, test := range []struct {
		status int
		header []string
		body   string
	}{
		{http.StatusNotFound, []string{"Content-Length", "Content-Type", "X-Content-Type-Options"},
			`{"type":"about:blank","title":"Not Found","status":404,"detail":"no such path"}` + "\n"},
		{http.StatusServiceUnavailable, []string{"Content-Length", "Content-Type", "Retry-After", "X-Content-Type-Options"},
			`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"no such path"}` + "\n"},
	} {
		w := httptest.NewRecorder()
		problem.New(test.status, "no such path").Write(w)
		if w.Code != test.status || w.Body.String() != test.body || w.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("got %d %v %q, want %d %q", w.Code, w.Header(), w.Body, test.status, test.body)
		}
		if got := slices.Sorted(maps.Keys(w.Header())); !slices.Equal(got, test.header) {
			t.Errorf("status %d: header fields %v, want %v", test.status, got, test.header)
		}
	}
}
