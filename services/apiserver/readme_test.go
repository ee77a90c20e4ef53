package apiserver_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rollcall/services/apiserver"
)

func mustReadme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadmeListsEveryPath(t *testing.T) {
	r := mustHarness(t)
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `GET ([^`]+)` \\|").FindAllStringSubmatch(mustReadme(t), -1) {
		listed = append(listed, row[1])
	}
	slices.Sort(listed)
	if want := slices.Sorted(maps.Keys(r.openAPI.doc.Paths.Map())); !slices.Equal(listed, want) {
		t.Errorf("README.md lists\n%q, openapi.yaml has\n%q", listed, want)
	}
}

// TestReadmeResponses compares each response in README.md with openapi.yaml.
func TestReadmeResponses(t *testing.T) {
	r := mustHarness(t)
	examples := regexp.MustCompile("(?s)```http\nGET ([^\n]+)\n```\n(?:.*?)```json\n(.*?)```").FindAllStringSubmatch(mustReadme(t), -1)
	if len(examples) != 6 {
		t.Errorf("README.md has %d requests with responses, want 6", len(examples))
	}
	for _, example := range examples {
		target, body := example[1], example[2]
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `W/"1"`)
		if strings.Contains(body, "about:blank") {
			var p apiserver.Problem
			mustDecode(t, []byte(body), &p)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(p.Status)
		}
		if _, err := w.WriteString(body); err != nil {
			t.Fatal(err)
		}
		r.openAPI.check(t, httptest.NewRequest(http.MethodGet, target, nil), w)
	}
}
