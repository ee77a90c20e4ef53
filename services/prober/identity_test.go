package prober_test

import (
	"net/http"
	"testing"

	"rollcall/services/prober"
	"rollcall/services/registry"
)

// Each probe of this test is for the server data/a with the incarnation 7.
func TestIdentity(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		ids, services, incarnation []string
		contested                  bool
		want                       registry.Finding
	}{
		{"id, service and incarnation", []string{"a"}, []string{"data"}, []string{"7"}, false, registry.FindingIdentified},
		{"id only", []string{"a"}, nil, nil, false, registry.FindingIdentified},
		{"id and service", []string{"a"}, []string{"data"}, nil, false, registry.FindingIdentified},
		{"service only", nil, []string{"data"}, []string{"7"}, false, registry.FindingAccepted},
		{"the same id of another service", []string{"a"}, []string{"other"}, []string{"7"}, false, registry.FindingStranger},
		{"another id of the same service", []string{"b"}, []string{"data"}, []string{"7"}, false, registry.FindingStranger},
		{"a newer incarnation", []string{"a"}, []string{"data"}, []string{"8"}, false, registry.FindingAccepted},
		{"an older incarnation", []string{"a"}, []string{"data"}, []string{"6"}, false, registry.FindingAccepted},
		{"no incarnation", []string{"a"}, []string{"data"}, []string{"0"}, false, registry.FindingIdentified},
		{"an incarnation that is not a number", []string{"a"}, []string{"data"}, []string{"x"}, false, registry.FindingIdentified},
		{"two servers, the second one is probed", []string{"b", "a"}, []string{"other", "data"}, []string{"9", "7"}, false, registry.FindingIdentified},
		{"two services with one id", []string{"a", "a"}, []string{"other", "data"}, []string{"9", "7"}, false, registry.FindingIdentified},
		{"two other servers", []string{"b", "a"}, []string{"data", "other"}, []string{"7", "7"}, false, registry.FindingStranger},
		{"two ids and one service, which is ignored", []string{"b", "a"}, []string{"other"}, nil, false, registry.FindingIdentified},
		{"contested, id only", []string{"a"}, nil, nil, true, registry.FindingAccepted},
		{"contested, id and service", []string{"a"}, []string{"data"}, nil, true, registry.FindingIdentified},
		{"contested, id and incarnation", []string{"a"}, nil, []string{"7"}, true, registry.FindingIdentified},
		{"contested, another service", []string{"a"}, []string{"other"}, nil, true, registry.FindingStranger},
	} {
		t.Run(tt.name, func(t *testing.T) {
			probe := registry.Probe{Service: "data", ID: "a", Incarnation: 7, Contested: tt.contested}
			probe.Addr = mustHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
				h := w.Header()
				h["X-Rollcall-Id"], h["X-Rollcall-Service"], h["X-Rollcall-Incarnation"] = tt.ids, tt.services, tt.incarnation
			})
			if got := mustProbe(t, patient, probe).Finding; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := mustProbe(t, prober.Config{Mode: prober.ModeTCP, Timeout: patient.Timeout}, probe).Finding; got != registry.FindingAccepted {
				t.Errorf("mode tcp: got %s, want accepted", got)
			}
		})
	}
}
