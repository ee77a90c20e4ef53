package apiserver_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall/events"
)

// TestServerHasEveryHeartbeatField registers a server with every field set, and compares the response with each field.
func TestServerHasEveryHeartbeatField(t *testing.T) {
	hidden := map[string]string{
		"V": "the format of the message", "Type": "the kind of the message", "SentAt": "informational",
	}
	h := heartbeat("data", "full", "10.0.0.7:8080", 7)
	h.Zone, h.Version, h.Tags, h.Weight = "a", "1.4.2", []string{"blue"}, 7
	h.Meta, h.Load, h.SentAt = events.NewMeta(map[string]string{"rack": "r7"}), &events.Load{InFlight: 3}, start()
	r := mustHarness(t)
	r.tick(time.Second)
	r.deliver(time.Second, h)
	r.tick(2 * time.Second)

	var got struct{ Server map[string]json.RawMessage }
	if err := json.Unmarshal(r.do("GET", "/v1/servers/data/full").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[events.Heartbeat]()) {
		v := reflect.ValueOf(h).FieldByIndex(f.Index)
		if v.IsZero() {
			t.Errorf("%s is zero: set it above", f.Name)
		}
		if hidden[f.Name] != "" {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		want, err := json.Marshal(v.Interface())
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Server[name]) != string(want) {
			t.Errorf("GET /v1/servers/data/full has %s %s, want %s", name, got.Server[name], want)
		}
	}
}
