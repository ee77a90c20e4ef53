package config_test

import (
	"reflect"
	"testing"

	"rollcall/services/config"
)

// Kubernetes sets most of these variables in a pod if the namespace has Services named rollcall, rollcall-api and rollcall-proxy-2.
func TestVariablesOfKubernetesAreIgnored(t *testing.T) {
	for name, value := range map[string]string{
		"ROLLCALL_API": "10.0.0.1:4180", // used by client commands

		"ROLLCALL_SERVICE_HOST":        "10.0.0.1",
		"ROLLCALL_SERVICE_PORT":        "4180",
		"ROLLCALL_SERVICE_PORT_API":    "4180",
		"ROLLCALL_SERVICE_PORT_MY_API": "4180",
		"ROLLCALL_PORT":                "tcp://10.0.0.1:4180",
		"ROLLCALL_PORT_4180_TCP":       "tcp://10.0.0.1:4180",
		"ROLLCALL_PORT_4180_TCP_PROTO": "tcp",
		"ROLLCALL_PORT_4180_TCP_PORT":  "4180",
		"ROLLCALL_PORT_4180_TCP_ADDR":  "10.0.0.1",
		"ROLLCALL_PORT_53_UDP_ADDR":    "10.0.0.1",

		"ROLLCALL_API_SERVICE_HOST":         "10.0.0.2", // from the Service rollcall-api
		"ROLLCALL_API_PORT":                 "tcp://10.0.0.2:4180",
		"ROLLCALL_PROXY_2_PORT_80_TCP_PORT": "80",
		"ROLLCALL_PROXY_2_PORT":             "udp://10.0.0.2:80",
		"OTHER_NSQ_LOOKUP":                  "x",
		"ROLLCALL_ID":                       "api-1", // otherwise the id would be random
	} {
		t.Setenv(name, value)
	}
	cfg, err := config.Read("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.ID = "api-1"
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got %+v, want the default", cfg)
	}
}

func TestUnknownVariableIsAnError(t *testing.T) {
	for variable, want := range map[string]string{
		"ROLLCALL_NSQ_LOOKUP":         ", did you mean ROLLCALL_NSQ_LOOKUPD?",
		"ROLLCALL_REGISTRY_SNAPSHOTS": ", did you mean ROLLCALL_REGISTRY_SNAPSHOT?",
		"ROLLCALL_API_ADDRESS":        ", did you mean ROLLCALL_API_LISTEN?",
		"ROLLCALL_LOGLEVEL":           ", did you mean ROLLCALL_LOG_LEVEL?",
		"ROLLCALL_nsq_lookupd":        ", did you mean ROLLCALL_NSQ_LOOKUPD?",
		"ROLLCALL_NSQ":                ": it is a section with the variable ROLLCALL_NSQ_LOOKUPD and others",
		"ROLLCALL_PROXY_TIMEOUT":      ": it is a section with the variable ROLLCALL_PROXY_TIMEOUT_CONNECT and others",
		"ROLLCALL_PORT":               ", did you mean ROLLCALL_API?", // the value is not the URL that Kubernetes sets
		"ROLLCALL_API_PORT":           ", did you mean ROLLCALL_API?",
		"ROLLCALL_DATASERVER_LISTENS": ", did you mean ROLLCALL_DATASERVER_LISTEN?",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, "4180")
			_, err := config.Read("", nil, nil)
			if wanted := "environment: unknown variable " + variable + want; err == nil || err.Error() != wanted {
				t.Errorf("got %v, want %s", err, wanted)
			}
		})
	}
}
