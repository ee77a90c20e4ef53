package apiserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// This test belongs to the package itself, so that it can set a small limit: a response beyond the real limit would take a second and half
// a gigabyte of memory.
func TestClientLimitsResponses(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"api-1"}`)
	}))
	t.Cleanup(srv.Close)
	c, err := NewClient(srv.URL, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	for limit, ok := range map[int64]bool{13: false, 14: true} {
		c.limit = limit
		if _, err := c.Status(t.Context()); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "more than 13 bytes") {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}
