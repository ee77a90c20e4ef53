package registry

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"rollcall/events"
)

// notDescribed has the fields of a heartbeat that do not describe the server. The value of a field is the reason.
var notDescribed = map[string]string{
	"V":           "the format of the message",
	"Type":        "the kind of the message",
	"Service":     "another service is another server",
	"ID":          "another id is another server",
	"Incarnation": "another incarnation replaces the server",
	"Seq":         "the order of the heartbeats",
	"Load":        "changes all the time; List returns the current value",
	"SentAt":      "informational",
}

// describedFields returns the fields of a heartbeat that describe the server.
func describedFields() []reflect.StructField {
	var fields []reflect.StructField
	for _, f := range reflect.VisibleFields(reflect.TypeFor[events.Heartbeat]()) {
		if notDescribed[f.Name] == "" {
			fields = append(fields, f)
		}
	}
	return fields
}

// changeField sets a field of h to another valid value.
func changeField(t *testing.T, h *events.Heartbeat, f reflect.StructField) {
	t.Helper()
	v := reflect.ValueOf(h).Elem().FieldByIndex(f.Index)
	switch old := v.Interface().(type) {
	case string:
		v.SetString(old + "1") // the new value is valid for an address too
	case int, int64:
		v.SetInt(v.Int() + 1)
	case []string:
		v.Set(reflect.ValueOf(append([]string{"changed"}, old...)))
	case events.Meta:
		v.Set(reflect.ValueOf(append(events.Meta{{Key: "changed", Value: "1"}}, old...)))
	default:
		t.Fatalf("%s has the type %s: changeField cannot change it yet", f.Name, f.Type)
	}
}

func observeAt(s *state, h *events.Heartbeat, at time.Time) outcome {
	return s.observe(newMessage(h, events.Receipt{Via: "nsqd-1", PublishedAt: at, ReceivedAt: at}))
}

func serverJSON(t *testing.T, s *state) map[string]any {
	t.Helper()
	text, err := json.Marshal(firstOf(s).view)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func TestChangeOfAnyHeartbeatFieldEmitsUpdated(t *testing.T) {
	for _, f := range describedFields() {
		t.Run(f.Name, func(t *testing.T) {
			s, at := mustState(t, Config{}), time.Now()
			observeAt(s, plainBeat(1, 1), at)
			before := serverJSON(t, s)
			h := plainBeat(1, 2)
			changeField(t, h, f)
			observeAt(s, h, at)
			if e := s.outbox.all()[s.outbox.len()-1]; e.Type() != events.TypeUpdated {
				t.Fatalf("the last event is %s: the field is missing in fingerprintOf", e.Type())
			}
			before["seq"] = float64(2)
			if reflect.DeepEqual(serverJSON(t, s), before) {
				t.Errorf("the view is unchanged: the field is missing in newView")
			}
		})
	}
}

func TestRestartEmitsNoUpdatedForAnyHeartbeatField(t *testing.T) {
	for _, f := range describedFields() {
		t.Run(f.Name, func(t *testing.T) {
			s, at := mustState(t, Config{}), time.Now()
			h := plainBeat(1, 1)
			changeField(t, h, f)
			observeAt(s, h, at)
			s.tick(at, nil)
			s = mustState(t, Config{Restore: mustCopy(t, snapshotOf(s, at))})
			next := *h
			next.Seq = 2
			observeAt(s, &next, at)
			for _, e := range s.outbox.all() {
				if e.Type() == events.TypeUpdated {
					t.Errorf("a restart emits updated although nothing changed: the field is missing in Snapshot or heartbeatFrom")
				}
			}
		})
	}
}
