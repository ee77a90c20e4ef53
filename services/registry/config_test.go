package registry_test

import (
	"strings"
	"testing"
	"time"

	"rollcall/services/registry"
)

func TestConfigValidation(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  registry.Config
		want []string // texts that the error must contain; empty: no error
	}{
		{"the zero value lacks only the observer", registry.Config{}, []string{"observer is empty"}},
		{"an observer is enough", registry.Config{Observer: "api-1"}, nil},
		{"a tick of a minute", registry.Config{Observer: "api-1", Tick: time.Minute}, nil},
		{"a tick longer than a minute", registry.Config{Observer: "api-1", Tick: time.Minute + 1}, []string{"tick 1m0.000000001s"}},
		{"all errors are reported at once", registry.Config{Interval: -1, TTL: -1, CanaryInterval: -1, Tick: -1, MaxServers: -1, Outbox: -1, Mailbox: -1},
			[]string{"observer", "interval", "ttl", "canaryinterval", "tick", "maxservers", "outbox", "mailbox"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := registry.New(test.cfg)
			if (err == nil) != (len(test.want) == 0) || (r == nil) != (err != nil) {
				t.Fatalf("got %v, %v", r, err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), "registry: "+want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
		})
	}
}
