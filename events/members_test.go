package events_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"rollcall/events"
)

func TestUnknownFields(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"none", required(""), nil},
		{"none, in a body with an escape", required(`"zone":"\u0061"`), nil},
		{"none in a bare address", "10.0.0.7:8080", nil},
		{"one", required(`"colour":"blue"`), []string{"colour"}},
		{"a known name in another case", required(`"Weight":50`), []string{"Weight"}},
		{"escaped name", required(`"\u0063olour":1`), []string{"colour"}},
		{"nested fields are not reported", required(`"load":{"in_flight":1,"cpu":0.5}`), nil},
		{"several, in order", required(`"ttl":10,"interval":"5s"`), []string{"ttl", "interval"}},
		{"field leave is false", required(`"leave":false`), []string{"leave"}},
		{"at most eight", required(`"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1`), strings.Split("abcdefgh", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, unknown, err := events.DecodeFields([]byte(tt.body))
			if err != nil || h.Addr == "" {
				t.Fatalf("got %+v, %v", h, err)
			}
			if !slices.Equal(unknown, tt.want) {
				t.Errorf("got %q, want %q", unknown, tt.want)
			}
		})
	}
}

// A new field of Heartbeat must be added to the list of known fields.
func TestEachHeartbeatFieldIsKnown(t *testing.T) {
	for f := range reflect.TypeFor[events.Heartbeat]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		_, unknown, err := events.DecodeFields([]byte(`{"zone":"\u0061","` + name + `":null}`))
		if name == "zone" {
			continue
		}
		if err != nil || len(unknown) > 0 {
			t.Errorf("%s: unknown %q, %v", name, unknown, err)
		}
	}
}

func TestSender(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"valid heartbeat", `{"v":1,"service":"data","id":"a","addr":"10.0.0.7:80"}`, "data a 10.0.0.7:80"},
		{"a field of the wrong type", `{"v":"1","weight":"x","service":"data","id":"a","addr":"10.0.0.7:80"}`, "data a 10.0.0.7:80"},
		{"truncated", `{"v":1,"service":"data","id":"a","addr":"10.0`, "data a "},
		{"id is a number", `{"service":"data","id":7,"addr":"10.0.0.7:80"}`, "data  10.0.0.7:80"},
		{"duplicate service", `{"service":"data","service":"web"}`, "data  "},
		{"bare address", "10.0.0.7:80\n", "data 10.0.0.7:80 10.0.0.7:80"},
		{"array", `["data"]`, "  "},
		{"empty", "", "  "},
		{"binary", "\x1f\x8b\x08", "  "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			service, id, addr := events.Sender([]byte(tt.body))
			if got := service + " " + id + " " + addr; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	_, id, _ := events.Sender([]byte(`{"id":"` + strings.Repeat("x", 5000) + `"}`))
	if len(id) != events.MaxID {
		t.Errorf("id of %d bytes, want it truncated to %d", len(id), events.MaxID)
	}
}
