package apiserver

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"rollcall/events"
	"rollcall/services/balancer"
)

func TestOpenAPIHasEveryRoute(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Errorf("openapi.yaml is not valid: %v", err)
	}
	pick := func(context.Context, string, string, string) (*events.Server, error) { return nil, nil }
	s := &Server{cfg: Config{Pick: pick}}
	registered := slices.Sorted(maps.Keys(s.routes()))
	documented := slices.Sorted(maps.Keys(doc.Paths.Map()))
	if !slices.Equal(registered, documented) {
		t.Errorf("openapi.yaml has the paths\n%q, the mux\n%q", documented, registered)
	}
}

func TestOpenAPIHasEveryPolicy(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	var documented, known []string
	for _, value := range doc.Paths.Value("/v1/services/{service}/pick").Get.Parameters.GetByInAndName("query", "policy").Schema.Value.Enum {
		documented = append(documented, value.(string))
	}
	for _, p := range balancer.Policies() {
		known = append(known, string(p))
	}
	if !slices.Equal(documented, known) {
		t.Errorf("openapi.yaml has the policies %q, the balancer %q", documented, known)
	}
}
